"""ID tokens, by OpenID Connect: keys, claims, and the set of public keys.

Belongs here: what an ID token says, and its signature. Does not belong here: who gets one (`tokens`).
Their times are real time, because whoever verifies them can't see that the simulator's clock was moved.
"""

import hashlib
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.oauth.logins import Login
from talkdesk_sandbox.simulator.state.entities import User
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState, new_id

Algorithm = Literal["RS256", "ES256"]


class IdTokens:
    """Signs ID tokens. A key is made when it is first needed, and kept: RSA keys take long to generate."""

    def __init__(self, state: TalkdeskState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._keys: dict[Algorithm, RSAKey | ECKey] = {}

    def issue(self, login: Login, client_id: str, nonce: str | None) -> str:
        """Return an ID token of a user's session for one client."""
        behavior, account, now = self._state.behavior, login.account, int(self._clock.wall().timestamp())
        claims: dict[str, Any] = {
            "iss": self._state.links_of(account).issuer(account.name, behavior.id_token_issuer),
            "sub": self.subject(login.user),
            "aud": client_id,
            "iat": now,
            "exp": now + int(behavior.token_lifetime.total_seconds()),
            "sid": login.id,
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if behavior.id_token_claims == "all":  # noqa: S105 - no secret
            claims |= {"name": login.user.name, "email": login.user.email}
        if behavior.id_token_auth_time:
            claims["auth_time"] = int(login.began_at.timestamp())
        key = self._key(behavior.id_token_algorithm)
        header = {"alg": behavior.id_token_algorithm, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[behavior.id_token_algorithm])

    def subject(self, user: User) -> str:
        """Return `sub` of a user."""
        if self._state.behavior.subject == "user_id":
            return user.id
        return hashlib.sha256(f"subject of {user.id}".encode()).hexdigest()[:24]

    def key_set(self) -> dict[str, Any]:
        """Return the public keys: that of today's algorithm, and those of tokens that are still around."""
        self._key(self._state.behavior.id_token_algorithm)
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}

    def _key(self, algorithm: Algorithm) -> RSAKey | ECKey:
        if algorithm not in self._keys:
            named: KeyParameters = {"kid": new_id(), "use": "sig", "alg": algorithm}
            self._keys[algorithm] = (
                RSAKey.generate_key(2048, named) if algorithm == "RS256" else ECKey.generate_key("P-256", named)
            )
        return self._keys[algorithm]
