"""Client authentication at the token endpoint: private_key_jwt, or Basic with the client secret.

Belongs here: checking assertions and secrets. Does not belong here: scopes and tokens (`tokens`).

Client assertions are checked against real time because clients can't see that the simulator's clock was moved;
credentials end on the simulator's clock.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError, invalid_client
from talkdesk_sandbox.simulator.state.entities import Account, Credentials, Installation
from talkdesk_sandbox.simulator.state.installation_state import credentials_work
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientAuthentication:
    """Checks who sends a token request; each assertion is accepted once."""

    def __init__(self, state: TalkdeskState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._used_ids: dict[tuple[str, str], float] = {}

    def authenticate(
        self, account: Account, form: Mapping[str, str], authorization: str | None
    ) -> tuple[Installation, Credentials]:
        """Return the installation and the credentials that a token request proves. Raises TokenRefusedError."""
        if "client_assertion" in form:
            return self._by_assertion(account, form)
        return self._by_secret(account, authorization)

    def remove_expired(self) -> None:
        """Remove assertion ids that can't be accepted any more."""
        wall = self._clock.wall().timestamp()
        self._used_ids = {key: until for key, until in self._used_ids.items() if until > wall}

    def client(self, account: Account, client_id: object) -> tuple[Installation, Credentials]:
        """Return whose client it is, which is no proof that it asks. Raises TokenRefusedError."""
        found = self._state.clients.get(client_id) if isinstance(client_id, str) else None
        if found is None or found[0].account_id != account.id:
            raise invalid_client("no such client in this account")
        installation, credentials = found
        alive = credentials_work(installation.state, self._state.behavior)
        if not alive or not credentials.works(self._clock.now()):
            raise invalid_client("the client's credentials have ended")
        return found

    def _by_secret(self, account: Account, authorization: str | None) -> tuple[Installation, Credentials]:
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            raise invalid_client("neither a client assertion nor Basic authorization")
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise invalid_client("Basic authorization is not base64 of id:secret") from None
        found = self.client(account, client_id)
        if not hmac.compare_digest(secret.encode(), found[1].secret.encode()):
            raise invalid_client("wrong client secret")
        return found

    def _by_assertion(self, account: Account, form: Mapping[str, str]) -> tuple[Installation, Credentials]:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefusedError(400, "invalid_request", "wrong client_assertion_type")
        compact = form["client_assertion"].encode("utf-8")
        try:
            unverified = jws.extract_compact(compact)
            claims = orjson.loads(unverified.payload)
        except (JoseError, ValueError):
            raise invalid_client("the client assertion is not a JWT") from None
        if not isinstance(claims, dict):
            raise invalid_client("the client assertion's claims are not an object")
        found = self.client(account, claims.get("iss"))
        credentials, header = found[1], unverified.headers()
        if header.get("alg") != credentials.key.algorithm:
            raise invalid_client(f"alg must be {credentials.key.algorithm}")
        if header.get("kid") != credentials.key_id:
            raise invalid_client("kid is not the client's key id")
        try:
            jws.deserialize_compact(compact, credentials.key.verifier, algorithms=[credentials.key.algorithm])
        except (JoseError, ValueError):
            raise invalid_client("the client assertion's signature is wrong") from None
        self._check_claims(account, credentials.client_id, claims)
        return found

    def _check_claims(self, account: Account, client_id: str, claims: dict[str, Any]) -> None:
        behavior, now = self._state.behavior, self._clock.wall().timestamp()
        leeway = behavior.assertion_leeway.total_seconds()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expiry, used = claims.get("exp"), claims.get("jti")
        if claims.get("sub") != client_id:
            raise invalid_client("iss and sub must both be the client id")
        accepted = self._state.links.audiences(account.name) | self._state.links_of(account).audiences(account.name)
        if accepted.isdisjoint(each for each in audiences if isinstance(each, str)):
            raise invalid_client("aud must be the token URL")
        if isinstance(expiry, bool) or not isinstance(expiry, int | float) or expiry <= now - leeway:
            raise invalid_client("exp is missing or in the past")
        if expiry > now + behavior.assertion_lifetime.total_seconds() + leeway:
            raise invalid_client("exp is too far in the future")
        if not isinstance(used, str) or not used or (client_id, used) in self._used_ids:
            raise invalid_client("jti is missing or was used before")
        self._used_ids[client_id, used] = expiry + leeway
