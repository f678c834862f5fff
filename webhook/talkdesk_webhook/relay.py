"""Forwarding `user.logout` events to the app's own endpoint, at once and without a trace of the user.

Belongs here: one attempt within its bounds, and what its outcome means. Does not belong here: signing
(talkdesk_runtime.standard_webhooks), keys (relay_keys), whether the event may be believed (receiver).

Nothing is stored of an event, so only Talkdesk can repeat it: whatever is not a 2xx is answered with a 503. An event
that Talkdesk delivers twice, or whose 2xx was lost, is forwarded twice; the partner recognizes it by its `webhook-id`,
which is the same each time, while timestamp and signature are those of the attempt.

    RelayFailed     not forwarded, or not known to be: deliver again
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

import aiohttp
import httpx

from talkdesk_crds.app import Logout, SecretKeyRef
from talkdesk_runtime.backoff import Backoff
from talkdesk_runtime.bounded_body import read_at_most
from talkdesk_runtime.circuit_breaker import BreakerLimits, CircuitBreakers
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_runtime.networks import Network
from talkdesk_runtime.standard_webhooks import WebhookSecrets, message_id
from talkdesk_webhook.known_app import KnownApp

__all__ = ["LogoutRelay", "RelayFailed", "RelayFault", "RelayKeySource", "relay_client"]

_MAX_RESPONSE: Final = 4096
"""Bytes of a response that are read, only to use the connection again; they are thrown away."""
_OPEN_TIME: Final = timedelta(seconds=5)
"""Talkdesk delivers again after minutes, so a longer time would have no use."""
_LIMITS: Final = BreakerLimits(failures=5, open_time=Backoff(first=_OPEN_TIME, longest=_OPEN_TIME))

_App: TypeAlias = tuple[str, str]
"""Namespace and name."""


class RelayFault(StrEnum):
    """Why an event was not forwarded; also a metric's label."""

    INSECURE = "logout_insecure"
    """The endpoint is plain http, and the app or the webhook does not allow that."""
    KEY = "logout_key"
    """The signing key is not there, can't be read, is none, or is not released for the endpoint's host."""
    BUSY = "logout_busy"
    """As many as may be are being forwarded to this app's endpoint."""
    CIRCUIT_OPEN = "logout_circuit_open"
    """The endpoint failed several times in a row and gets no calls for a moment."""
    TIMEOUT = "logout_timeout"
    """It did not answer in time."""
    UNREACHABLE = "logout_unreachable"
    """No response came: name, connection, TLS, or no HTTP."""
    REFUSED = "logout_refused"
    """Its response was not 2xx."""


class RelayFailed(Exception):
    """The event was not forwarded, or is not known to be; `str()` is fit for a log line and holds nothing of it."""

    def __init__(self, fault: RelayFault, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after = retry_after


class RelayKeySource(Protocol):
    """Where signing keys are found; raises LookupFailed."""

    async def get(self, namespace: str, ref: SecretKeyRef, url: str) -> WebhookSecrets | None:
        """Return the keys for the endpoint at this URL, or None when there are none."""


def relay_client(
    connections: int, *, user_agent: str, proxies: Mapping[str, str] | None = None, denied: Sequence[Network] = ()
) -> httpx.AsyncClient:
    """Return the HTTP client for relays: no redirects, verified TLS, no cookies; proxies as Proxies.

    It has no time limits of its own: each relay has one for the whole.
    """
    return httpx.AsyncClient(
        # Shorter than servers keep a connection: a POST on one that was just closed is lost for minutes.
        transport=RoutingTransport(proxies=proxies, connections=connections, keepalive=4, denied=denied),
        timeout=None,  # noqa: S113 - see above
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"},
    )


class LogoutRelay:
    """Forwards logouts. Each app has a few slots, so that a silent endpoint can't delay other events."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        keys: RelayKeySource,
        *,
        max_in_flight: int,
        clock: Clock | None = None,
    ) -> None:
        self._client = client
        self._keys = keys
        self._max_in_flight = max_in_flight
        self._clock = clock or Clock.system()
        self._breakers: CircuitBreakers[_App] = CircuitBreakers(_LIMITS, monotonic=self._clock.monotonic)
        self._in_flight: Counter[_App] = Counter()

    async def relay(self, app: KnownApp, logout: Logout, event_id: str, body: bytes) -> None:
        """Forward the raw body; raise RelayFailed unless the endpoint answered 2xx."""
        if not logout.allow_insecure and not logout.url.startswith("https://"):
            raise RelayFailed(
                RelayFault.INSECURE, "the endpoint is plain http: that needs allowInsecure, and --allow-insecure"
            )
        key = (app.namespace, app.name)
        with self._slot(key):
            keys = await self._signing_keys(app, logout)
            headers = {
                "content-type": "application/json",
                **keys.headers(message_id(event_id), self._clock.now(), body),
            }
            wait = self._breakers.wait(key)
            if wait:
                raise RelayFailed(RelayFault.CIRCUIT_OPEN, "the endpoint keeps failing", timedelta(seconds=wait))
            with self._breakers.attempt(key) as attempt:
                # A caller that gives up says nothing about the endpoint, which did not have the time that it is given.
                try:
                    status = await self._post(logout, headers, body)
                except RelayFailed:
                    attempt.failed = True
                    raise
                attempt.failed = status >= 500
        if not 200 <= status < 300:
            raise RelayFailed(RelayFault.REFUSED, f"the endpoint answered {status}")

    @contextmanager
    def _slot(self, key: _App) -> Iterator[None]:
        if self._in_flight[key] >= self._max_in_flight:
            raise RelayFailed(RelayFault.BUSY, "too many logouts are being forwarded to the endpoint")
        self._in_flight[key] += 1
        try:
            yield
        finally:
            self._in_flight[key] -= 1
            if not self._in_flight[key]:
                del self._in_flight[key]

    async def _signing_keys(self, app: KnownApp, logout: Logout) -> WebhookSecrets:
        try:
            keys = await self._keys.get(app.namespace, logout.secret_ref, logout.url)
        except LookupFailed as error:
            raise RelayFailed(RelayFault.KEY, str(error)) from None
        if keys is None:
            raise RelayFailed(RelayFault.KEY, f"there is no Secret {logout.secret_ref.name}")
        return keys

    async def _post(self, logout: Logout, headers: dict[str, str], body: bytes) -> int:
        """Return the response's status."""
        try:
            async with (
                asyncio.timeout(parse_duration(logout.timeout).total_seconds()),
                self._client.stream("POST", logout.url, content=body, headers=headers) as response,
            ):
                await read_at_most(response, _MAX_RESPONSE)
                return response.status_code
        except TimeoutError:
            raise RelayFailed(RelayFault.TIMEOUT, "the endpoint did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError) as error:
            # Only the class: some of these errors quote the URL, which may hold a token. Of the cause, because the
            # transport calls any broken connection a ConnectTimeout.
            kind = type(error.__cause__ or error).__name__
            raise RelayFailed(RelayFault.UNREACHABLE, f"the endpoint can't be reached: {kind}") from None
