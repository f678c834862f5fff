"""Access tokens: fetched once for all callers, renewed before they expire.

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
"""Time before its expiry at which a token is no longer used: a call may wait and travel for that long."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token."""

    value: SecretStr
    lifetime: timedelta
    """From the moment it was issued."""


@dataclass(frozen=True, slots=True)
class _CachedToken:
    token: Token
    until: float


_Key: TypeAlias = tuple[str, str, str, tuple[str, ...], bytes]
"""The installation, token URL, method, scopes and the credentials themselves."""
_Kind: TypeAlias = tuple[bool, ...]
"""Whether urgent, the last attempt, in the background: no call shares a token request that may wait longer."""


class TokenCache:
    """Tokens of installations. One that has expired goes when the next one of its installation comes."""

    def __init__(self, fetch: Callable[[Access], Coroutine[Any, Any, Token]], *, size: int, clock: Clock) -> None:
        """Fetch tokens with `fetch`, which raises TalkdeskError, and cache those of up to `size` installations."""
        self._fetch = fetch
        self._clock = clock
        self._cached: LruMap[str, dict[_Key, _CachedToken]] = LruMap(size)
        self._requests: dict[tuple[_Key, _Kind], asyncio.Task[Token]] = {}

    async def get(self, access: Access) -> Token:
        """Return a token that is good for a while; callers at the same time share one request and its error."""
        key, kind = _key(access), (access.urgent, access.last_attempt, access.background)
        cached = (self._cached.get(access.holder) or {}).get(key)
        if cached is not None and self._clock.monotonic() < cached.until:
            return cached.token
        request = self._requests.get((key, kind))
        if request is None:
            request = self._requests[key, kind] = asyncio.create_task(self._fetch(access))
            request.add_done_callback(lambda done: self._store(key, kind, done))
        # Shielded: when one caller is cancelled, the others still get the token.
        return await asyncio.shield(request)

    def drop(self, access: Access, token: Token) -> None:
        """Forget this very token, which was refused; a newer one stays."""
        tokens, key = self._cached.get(access.holder) or {}, _key(access)
        if key in tokens and tokens[key].token is token:
            del tokens[key]

    def forget(self, holder: str) -> None:
        """Forget an installation's tokens, and let no new caller share a request under way for one."""
        self._cached.pop(holder)
        self._requests = {(key, kind): each for (key, kind), each in self._requests.items() if key[0] != holder}

    async def aclose(self) -> None:
        """Cancel the requests under way."""
        requests = list(self._requests.values())
        self._requests.clear()
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)

    def _store(self, key: _Key, kind: _Kind, request: asyncio.Task[Token]) -> None:
        current = self._requests.get((key, kind)) is request
        if current:
            del self._requests[key, kind]
        # Reading the exception also keeps asyncio from logging it when no caller waits any more.
        if request.cancelled() or request.exception() is not None or not current:
            return
        token = request.result()
        lifetime = token.lifetime - min(_MARGIN, token.lifetime / 10)
        now, holder = self._clock.monotonic(), key[0]
        others = (self._cached.get(holder) or {}).items()
        good = {name: each for name, each in others if now < each.until}
        self._cached.put(holder, good | {key: _CachedToken(token, now + lifetime.total_seconds())})


def _key(access: Access) -> _Key:
    return (access.holder, access.token_url, access.method, access.scopes, fingerprint(access.credentials))
