"""Passing `user.logout` events on to the app's own endpoint, at once and without a trace of the user.

Belongs here: one attempt within its bounds, and what its outcome means. Does not belong here: signing
(standard_webhooks), keys (relay_keys), whether the event may be believed (receiver).

Nothing is kept of an event, so Talkdesk's repetition is the only one there is: whatever is not a 2xx is answered with
a 503. An event that Talkdesk delivers twice, or whose 2xx was lost, is relayed twice; the partner tells it by its
`webhook-id`, which is the same each time, while timestamp and signature are those of the attempt.

    RelayFailed     not passed on, or not known to be: deliver again
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from talkdesk_crds.app import Logout, SecretKeyRef
from talkdesk_crds.fields import parse_duration
from talkdesk_webhook.apps import KnownApp
from talkdesk_webhook.breaker import Breaker
from talkdesk_webhook.lookups import LookupFailed
from talkdesk_webhook.standard_webhooks import WebhookSecrets, message_id

__all__ = ["LogoutRelay", "RelayFailed", "RelayFault", "RelayKeySource", "relay_client"]

_MAX_ANSWER: Final = 4096
"""Bytes of an answer that are read, only to use the connection again; nobody looks at them."""
_FAILURES: Final = 5
_PAUSE: Final = 5.0
"""Seconds for which an endpoint is left alone after it failed so often in a row; Talkdesk comes again after minutes."""


class RelayFault(StrEnum):
    """Why an event was not passed on; also a metric's label."""

    INSECURE = "logout_insecure"
    """The endpoint is plain http, and the app does not allow that."""
    KEY = "logout_key"
    """The signing key is not there, can't be read, or is none."""
    BUSY = "logout_busy"
    """As many are under way to this app's endpoint as may be."""
    PAUSED = "logout_paused"
    """The endpoint failed several times in a row and is left alone for a moment."""
    TIMEOUT = "logout_timeout"
    """It did not answer in time."""
    UNREACHABLE = "logout_unreachable"
    """No answer came: name, connection, TLS, or no HTTP."""
    REFUSED = "logout_refused"
    """Its answer was not 2xx."""


class RelayFailed(Exception):
    """The event was not passed on, or is not known to be; `str()` is fit for a log line and holds nothing of it."""

    def __init__(self, fault: RelayFault, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after = retry_after


class RelayKeySource(Protocol):
    """Where signing keys are found; raises LookupFailed."""

    async def get(self, namespace: str, ref: SecretKeyRef) -> WebhookSecrets | None:
        """Return the keys, or None when there are none."""


@dataclass
class _Line:
    """What leads to one app's endpoint."""

    breaker: Breaker = field(default_factory=lambda: Breaker(_FAILURES, _PAUSE))
    in_flight: int = 0


def relay_client(connections: int, *, user_agent: str) -> httpx.AsyncClient:
    """Make the HTTP client for relays: no redirects, verified TLS, proxy settings of the environment, no cookies.

    It has no time limits of its own: each relay has one for the whole.
    """

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # Shorter than servers keep a connection: a POST on one that was just closed is lost for minutes.
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )

    return httpx.AsyncClient(
        transport=AiohttpTransport(client=session),
        timeout=None,  # noqa: S113 - see above
        follow_redirects=False,
        headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"},
    )


class LogoutRelay:
    """Passes events on, so many at once for each app, so that a silent endpoint can't hold up what others bring."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        keys: RelayKeySource,
        *,
        in_flight: int,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._keys = keys
        self._in_flight = in_flight
        self._clock = clock
        self._now = now
        self._lines: dict[tuple[str, str], _Line] = {}

    async def relay(self, app: KnownApp, logout: Logout, event_id: str, body: bytes) -> None:
        """Pass the raw body on; raises RelayFailed unless the endpoint answered 2xx."""
        if not logout.allow_insecure and not logout.url.startswith("https://"):
            raise RelayFailed(RelayFault.INSECURE, "the endpoint is plain http: that needs allowInsecure")
        async with self._place(app) as line:
            keys = await self._signing_keys(app, logout)
            headers = {"content-type": "application/json", **keys.headers(message_id(event_id), self._now(), body)}
            wait = line.breaker.wait(self._clock())
            if wait:
                raise RelayFailed(RelayFault.PAUSED, "the endpoint keeps failing", timedelta(seconds=wait))
            status = 0
            try:
                status = await self._post(logout, headers, body)
            finally:
                line.breaker.note(well=0 < status < 500, now=self._clock())
        if not 200 <= status < 300:
            raise RelayFailed(RelayFault.REFUSED, f"the endpoint answered {status}")

    @asynccontextmanager
    async def _place(self, app: KnownApp) -> AsyncIterator[_Line]:
        line = self._lines.setdefault((app.namespace, app.name), _Line())
        if line.in_flight >= self._in_flight:
            raise RelayFailed(RelayFault.BUSY, "too many events are under way to the endpoint")
        line.in_flight += 1
        try:
            yield line
        finally:
            line.in_flight -= 1

    async def _signing_keys(self, app: KnownApp, logout: Logout) -> WebhookSecrets:
        try:
            keys = await self._keys.get(app.namespace, logout.secret_ref)
        except LookupFailed as error:
            raise RelayFailed(RelayFault.KEY, str(error)) from None
        if keys is None:
            raise RelayFailed(RelayFault.KEY, f"there is no Secret {logout.secret_ref.name}")
        return keys

    async def _post(self, logout: Logout, headers: dict[str, str], body: bytes) -> int:
        """Return the answer's status."""
        try:
            async with (
                asyncio.timeout(parse_duration(logout.timeout).total_seconds()),
                self._client.stream("POST", logout.url, content=body, headers=headers) as response,
            ):
                await _skim(response)
                return response.status_code
        except TimeoutError:
            raise RelayFailed(RelayFault.TIMEOUT, "the endpoint did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            # Only the kind: some of these errors quote the URL, which may hold a token. The cause, as the transport
            # calls any broken connection a ConnectTimeout.
            kind = type(error.__cause__ or error).__name__
            raise RelayFailed(RelayFault.UNREACHABLE, f"the endpoint can't be reached: {kind}") from None


async def _skim(response: httpx.Response) -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > _MAX_ANSWER:
            return
