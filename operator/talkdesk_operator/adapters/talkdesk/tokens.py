"""Access tokens: fetched once for everybody, renewed before they end.

Belongs here: caching and single flight. Does not belong here: the request for a token, retries of calls.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from talkdesk_operator.adapters.talkdesk.keys import fingerprint
from talkdesk_operator.domain.ports.talkdesk import Access
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.lru import LruMap

_MARGIN: Final = timedelta(minutes=1)
"""Time before its end at which a token is no longer used: a call may wait and travel for that long."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token."""

    value: SecretStr
    lifetime: timedelta
    """From the moment it was issued."""


@dataclass(frozen=True, slots=True)
class _Kept:
    token: Token
    until: float


_Key: TypeAlias = tuple[str, str, tuple[str, ...], bytes]
_Lane: TypeAlias = tuple[bool, bool]
"""Whether urgent, whether in the background: nobody shares a request that is held back more than one's own."""
_LANES: Final[tuple[_Lane, ...]] = ((False, False), (False, True), (True, False), (True, True))


class TokenCache:
    """Tokens by token URL, method, scopes and the credentials themselves."""

    def __init__(self, fetch: Callable[[Access], Coroutine[Any, Any, Token]], *, size: int, clock: Clock) -> None:
        """Get tokens with `fetch`, which raises TalkdeskError, and keep up to `size` of them."""
        self._fetch = fetch
        self._clock = clock
        self._kept: LruMap[_Key, _Kept] = LruMap(size)
        self._flights: dict[tuple[_Key, _Lane], asyncio.Task[Token]] = {}

    async def get(self, access: Access) -> Token:
        """Return a token that is good for a while; all who ask at the same time share one request and its error."""
        key, lane = _key(access), (access.urgent, access.background)
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() < kept.until:
            return kept.token
        flight = self._flights.get((key, lane))
        if flight is None:
            flight = self._flights[key, lane] = asyncio.create_task(self._fetch(access))
            flight.add_done_callback(lambda done: self._land(key, lane, done))
        # Shielded: one who gives up must not take the token away from the others.
        return await asyncio.shield(flight)

    def drop(self, access: Access, token: Token) -> None:
        """Forget this very token, which was refused; a newer one stays."""
        kept = self._kept.get(_key(access))
        if kept is not None and kept.token is token:
            self._kept.pop(_key(access))

    def forget(self, access: Access) -> None:
        """Forget the token, and let nobody new share the request under way."""
        key = _key(access)
        self._kept.pop(key)
        for lane in _LANES:
            self._flights.pop((key, lane), None)

    async def aclose(self) -> None:
        """Give up the requests under way."""
        flights = list(self._flights.values())
        self._flights.clear()
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: _Key, lane: _Lane, flight: asyncio.Task[Token]) -> None:
        current = self._flights.get((key, lane)) is flight
        if current:
            del self._flights[key, lane]
        # Asking for the exception also keeps asyncio from logging one that nobody waits for any more.
        if flight.cancelled() or flight.exception() is not None or not current:
            return
        token = flight.result()
        lifetime = token.lifetime - min(_MARGIN, token.lifetime / 10)
        self._kept.put(key, _Kept(token, self._clock.monotonic() + lifetime.total_seconds()))


def _key(access: Access) -> _Key:
    return (access.token_url, access.method, access.scopes, fingerprint(access.credentials))
