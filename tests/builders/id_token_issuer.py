"""Somebody who signs ID tokens, as Talkdesk does, with a set of public keys that can be asked for."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://acme.talkdeskid.com"
CLIENT = "client-of-acme"
KEYS_AT = f"{ISSUER}/oauth/certs"


def new_key() -> ECKey:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"})
    key.ensure_kid()
    return key


@dataclass
class IdTokenIssuer:
    """`http` is a client that reaches nobody else."""

    key: ECKey = field(default_factory=new_key)
    now: float = field(default_factory=time.time)
    """The time of the test."""
    asked: int = 0
    down: bool = False

    @property
    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def clock(self) -> float:
        return self.now

    def token(self, key: ECKey | None = None, **claims: Any) -> str:
        """Return a token that is right but for `claims`, of which None takes one out."""
        signer = key or self.key
        body = {
            "iss": ISSUER,
            "aud": CLIENT,
            "sub": "user-1",
            "name": "Ana",
            "iat": int(self.now),
            "exp": int(self.now) + 600,
        } | claims
        present = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": signer.kid}, present, signer, algorithms=["ES256"])

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == KEYS_AT
        self.asked += 1
        return (
            httpx.Response(503) if self.down else httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
        )
