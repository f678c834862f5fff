"""What the app believes of a user: an ID token that Talkdesk signed for this tenant's own client.

Belongs here: signature, issuer, audience and times of a token, and Talkdesk's public keys. Does not belong here:
whether the user is licensed (`app`). Who reaches the app past the proxy can write any header, but not such a token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

__all__ = ["IdToken", "IdTokenInvalid", "IdTokenOutdated", "IdTokenVerifier"]

_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"]
"""With a public key only: with HS256, whoever knows the public key could sign."""
_LEEWAY: Final = 60
"""Seconds that Talkdesk's clock may be ahead."""
_AGAIN: Final = 10.0
"""Seconds between two requests for keys, so that tokens with made-up key ids cause no flood."""


class IdTokenInvalid(Exception):
    """It proves nothing; the text says why, and holds nothing of it."""


class IdTokenOutdated(IdTokenInvalid):
    """Talkdesk did sign it, but it has expired, or is for another client: the one before a rotation, for instance."""


@dataclass(frozen=True, slots=True)
class IdToken:
    """A user, as Talkdesk says."""

    user: str
    name: str
    began: float
    """When the user logged in, in seconds since 1970; when the token was issued, if Talkdesk does not say that."""


class IdTokenVerifier:
    """Verifies the tokens of one client."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        issuer: str,
        client_id: str,
        key_set_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http, self._clock = http, clock
        self._issuer, self._client_id, self._url = issuer, client_id, key_set_url
        self._keys: KeySet | None = None
        self._asked_at = float("-inf")

    async def verify(self, token: str) -> IdToken:
        """Return whose token it is. Raises IdTokenInvalid, and httpx.HTTPError while there are no keys."""
        claims = await self._signed(token)
        now, audience = self._clock(), claims.get("aud")
        if claims.get("iss") != self._issuer:
            raise IdTokenInvalid("another issuer")
        times = [claims.get(name) for name in ("exp", "iat")]
        if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times):
            raise IdTokenInvalid("exp or iat is missing")
        expires, issued = (float(each or 0) for each in times)
        if issued > now + _LEEWAY:
            raise IdTokenInvalid("it is from the future")
        user, began = claims.get("sub"), claims.get("auth_time", issued)
        if not isinstance(user, str) or not user or not isinstance(began, int | float):
            raise IdTokenInvalid("sub is missing, or auth_time is no time")
        if self._client_id not in (audience if isinstance(audience, list) else [audience]):
            raise IdTokenOutdated("it is for another client")
        if expires <= now:
            raise IdTokenOutdated("it has expired")
        return IdToken(user, str(claims.get("name") or claims.get("email") or user), float(min(began, issued)))

    async def _signed(self, token: str) -> dict[str, Any]:
        """Return the claims of a token with a good signature."""
        try:
            key_id = jws.extract_compact(token.encode()).headers().get("kid")
        except (JoseError, ValueError):
            raise IdTokenInvalid("it is no ID token") from None
        keys = await self._keys_with(key_id)
        try:
            return jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            raise IdTokenInvalid("its signature is wrong") from None

    async def _keys_with(self, key_id: object) -> KeySet:
        """Return the keys; read them anew for one that is not among them, because Talkdesk may have changed them."""
        known = self._keys is not None and any(key.kid == key_id for key in self._keys.keys)
        if not known and self._clock() - self._asked_at >= _AGAIN:
            self._asked_at = self._clock()
            response = await self._http.get(self._url)
            response.raise_for_status()
            try:
                self._keys = KeySet.import_key_set(response.json())
            except (JoseError, ValueError, TypeError, KeyError):
                raise httpx.DecodingError("no set of keys", request=response.request) from None
        if self._keys is None:
            raise httpx.HTTPError("there are no keys yet")
        return self._keys
