"""A server's certificate and key from files, loaded again when somebody renews them: cert-manager, through a kubelet.

    certificate = ReloadedCertificate(cert_file, key_file, port="metrics", metrics=TlsMetrics(registry))
    context = certificate.context      # one and the same for the life of the process
    task = asyncio.create_task(certificate.run())

Belongs here: when files count as changed, and which pair a handshake gets. Does not belong here: who listens.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["CertificateUnusable", "ReloadedCertificate", "TlsMetrics"]

_CHECK_EVERY: Final = 10.0
"""Seconds. A kubelet itself takes up to a minute or two to bring a new version of a Secret."""
_log = structlog.stdlib.get_logger(__name__)


class CertificateUnusable(Exception):
    """Certificate and key can't be served with; `str()` says which files and why, and nothing of what is in them."""


class TlsMetrics:
    """Certificates that are served with, of all ports of the process; `port` is a name as in a container's ports."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.expiry = Gauge(
            "talkdesk_tls_certificate_expiry_timestamp_seconds",
            "Unix time at which the certificate that a port serves with expires.",
            ("port",),
            registry=registry,
        )
        self.reloads = Counter(
            "talkdesk_tls_certificate_reloads",
            "Changes of the files of a certificate, by whether the new pair could be used (`success`, `failure`); after"
            " a failure the port serves with the one that it had.",
            ("port", "result"),
            registry=registry,
        )


class ReloadedCertificate:
    """A certificate whose files may change at any time. A pair that does not work changes nothing."""

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        port: str,
        metrics: TlsMetrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Load the files (PEM; the certificate with its chain, the key without a password).

        Raises CertificateUnusable.
        """
        self._files = (cert_file, key_file)
        self._port = port
        self._metrics = metrics
        self._sleep = sleep
        self._seen = self._digest()
        self._current = self._loaded()
        self.context: Final = self._loaded()
        """For the listener. Each handshake is handed to the pair that was loaded last, as a whole."""
        self.context.sni_callback = self._choose  # OpenSSL calls it also for a client that names no server

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await self._sleep(_CHECK_EVERY)
            self.check()

    def check(self) -> None:
        """Load the files when they differ from those that were tried last."""
        digest = self._digest()
        if digest == self._seen:
            return
        self._seen = digest
        try:
            self._current = self._loaded()
        except CertificateUnusable as error:
            self._metrics.reloads.labels(self._port, "failure").inc()
            _log.error("tls.certificate_unusable", port=self._port, problem=str(error))
            return
        self._metrics.reloads.labels(self._port, "success").inc()
        _log.info("tls.certificate_reloaded", port=self._port)

    def _digest(self) -> bytes:
        """Return what differs as soon as the content does; empty where a file can't be read, as between two renames."""
        digest = hashlib.sha256()
        try:
            for file in self._files:
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError:
            return b""
        return digest.digest()

    def _loaded(self) -> ssl.SSLContext:
        cert_file, key_file = self._files
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            expiry = x509.load_pem_x509_certificate(cert_file.read_bytes()).not_valid_after_utc
            context.load_cert_chain(cert_file, key_file, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise CertificateUnusable(f"{cert_file} and {key_file} can't be used: {_reason(error)}") from None
        self._metrics.expiry.labels(self._port).set(expiry.timestamp())
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current


def _no_password() -> str:
    """Refuse a key with a password: without this, OpenSSL would ask for it at the terminal."""
    raise ValueError("the key is protected by a password")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not a certificate and its key").lower().replace("_", " ")
    return str(error.strerror if isinstance(error, OSError) else error)
