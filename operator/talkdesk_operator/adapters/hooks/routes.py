"""Ways to partners' services, by whom they trust and what they show of themselves in TLS.

Belongs here: which connections are shared. Does not belong here: connections themselves
(talkdesk_runtime.http_transport).
"""

import asyncio
import hashlib
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from talkdesk_operator.domain.ports.hooks import ClientCertificate
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.networks import Network

__all__ = ["Routes", "TlsUnusable"]

_MOST: Final = 64
"""Different kinds of trust whose connections are kept; a few for each app."""


class TlsUnusable(Exception):
    """A bundle or a certificate can't be used; the text quotes nothing of it."""


class Routes:
    """Transports, made when they are needed."""

    def __init__(
        self, *, proxies: Mapping[str, str] | None, fence: Fence | None, denied: Sequence[Network] = ()
    ) -> None:
        self._proxies = proxies
        self._fence = fence
        self._denied = denied
        self._known: LruMap[bytes, RoutingTransport] = LruMap(_MOST + 1)
        self._closing: set[asyncio.Task[None]] = set()

    def to(self, ca_bundle: str, certificate: ClientCertificate | None) -> RoutingTransport:
        """Return the way to a service; raise TlsUnusable."""
        shown = "" if certificate is None else f"{certificate.certificate}\0{certificate.key.get_secret_value()}"
        name = hashlib.sha256(f"{len(ca_bundle)}:{ca_bundle}{shown}".encode()).digest()
        known = self._known.get(name)
        if known is None:
            tls = _context(ca_bundle, certificate)
            known = RoutingTransport(tls=tls, proxies=self._proxies, fence=self._fence, denied=self._denied)
            self._known.put(name, known)
            if len(self._known) > _MOST:
                self._close_oldest()
        return known

    def _close_oldest(self) -> None:
        oldest = self._known.pop(next(iter(self._known)))
        if oldest is not None:
            task = asyncio.create_task(oldest.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Close all connections."""
        for each in self._known.values():
            await each.aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)


def _context(ca_bundle: str, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """Return whom to trust (with a bundle, nobody else), and what to show."""
    try:
        context = ssl.create_default_context(cadata=ca_bundle or None)
    except (ssl.SSLError, ValueError, TypeError):
        raise TlsUnusable("caBundle holds no certificates in PEM") from None
    if certificate is None:
        return context
    # The library reads these from files alone; the folder is gone before anything is sent.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_text(f"{certificate.certificate}\n{certificate.key.get_secret_value()}\n")
        try:
            context.load_cert_chain(path, password=lambda: "")
        except (ssl.SSLError, OSError, ValueError):
            raise TlsUnusable("the client's certificate and key in PEM can't be used together") from None
    return context
