"""The token endpoint's rules: client_credentials by private_key_jwt or Basic, and bearer tokens.

Belongs here: checking assertions and secrets, scopes, issuing, finding and ending tokens.
Does not belong here: HTTP routes.

Errors::

    TokenRefusedError      the token request gets `status` with `{"error", "error_description"}`

Client assertions are checked against real time because clients can't see that the simulator's clock was moved; access
tokens and credentials end on the simulator's clock.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.state.entities import Account, App, Credentials, Installation
from talkdesk_sandbox.simulator.state.installation_state import InstallationState, credentials_work
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefusedError(Exception):
    """The token request is refused."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token stands for."""

    installation: Installation
    credentials: Credentials
    scopes: frozenset[str]
    expires_at: datetime


class Tokens:
    """Issues and keeps access tokens."""

    def __init__(self, state: TalkdeskState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._grants: dict[str, Grant] = {}
        self._used_ids: dict[tuple[str, str], float] = {}

    def exchange(self, account_name: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Answer a token request. Raises TokenRefusedError."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefusedError(400, "unsupported_grant_type", "grant_type must be client_credentials")
        account = self._state.account_named(account_name)
        if account is None:
            raise _bad_client("no such account")
        if "client_assertion" in form:
            installation, credentials = self._by_assertion(account, form)
        else:
            installation, credentials = self._by_secret(account, authorization)
        scopes = self._scopes(self._state.apps[installation.app_id], form.get("scope"))
        return self._issue(
            Grant(installation, credentials, scopes, self._clock.now() + self._state.behavior.token_lifetime)
        )

    def find(self, token: str) -> Grant | None:
        """Return what a token stands for; None when it is unknown, expired or its credentials have ended.

        A token of an uninstalled installation is found unless `after_uninstall_status` is 401.
        """
        grant, now = self._grants.get(token), self._clock.now()
        if grant is None or now >= grant.expires_at or not grant.credentials.works(now):
            return None
        state, behavior = grant.installation.state, self._state.behavior
        dead = (
            behavior.after_uninstall_status == 401
            if state is InstallationState.UNINSTALLED
            else not credentials_work(state, behavior)
        )
        return None if dead else grant

    def remove_expired(self) -> None:
        """Remove tokens and assertion ids that can't be used any more."""
        now, wall = self._clock.now(), self._clock.wall().timestamp()
        self._grants = {token: grant for token, grant in self._grants.items() if grant.expires_at > now}
        self._used_ids = {key: until for key, until in self._used_ids.items() if until > wall}

    def end_all(self) -> None:
        """Make every access token invalid, as after a restart of an identity service."""
        self._grants.clear()

    def _issue(self, grant: Grant) -> dict[str, Any]:
        token = secrets.token_urlsafe(48)
        self._grants[token] = grant
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self._state.behavior.token_lifetime.total_seconds()),
            "scope": " ".join(sorted(grant.scopes)),
        }

    def _client(self, account: Account, client_id: object) -> tuple[Installation, Credentials]:
        found = self._state.clients.get(client_id) if isinstance(client_id, str) else None
        if found is None or found[0].account_id != account.id:
            raise _bad_client("no such client in this account")
        installation, credentials = found
        alive = credentials_work(installation.state, self._state.behavior)
        if not alive or not credentials.works(self._clock.now()):
            raise _bad_client("the client's credentials have ended")
        return found

    def _by_secret(self, account: Account, authorization: str | None) -> tuple[Installation, Credentials]:
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            raise _bad_client("neither a client assertion nor Basic authorization")
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _bad_client("Basic authorization is not base64 of id:secret") from None
        found = self._client(account, client_id)
        if not hmac.compare_digest(secret.encode(), found[1].secret.encode()):
            raise _bad_client("wrong client secret")
        return found

    def _by_assertion(self, account: Account, form: Mapping[str, str]) -> tuple[Installation, Credentials]:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefusedError(400, "invalid_request", "wrong client_assertion_type")
        compact = form["client_assertion"].encode("utf-8")
        try:
            unverified = jws.extract_compact(compact)
            claims = orjson.loads(unverified.payload)
        except (JoseError, ValueError):
            raise _bad_client("the client assertion is not a JWT") from None
        if not isinstance(claims, dict):
            raise _bad_client("the client assertion's claims are not an object")
        found = self._client(account, claims.get("iss"))
        credentials, header = found[1], unverified.headers()
        if header.get("alg") != credentials.key.algorithm:
            raise _bad_client(f"alg must be {credentials.key.algorithm}")
        if header.get("kid") != credentials.key_id:
            raise _bad_client("kid is not the client's key id")
        try:
            jws.deserialize_compact(compact, credentials.key.verifier, algorithms=[credentials.key.algorithm])
        except (JoseError, ValueError):
            raise _bad_client("the client assertion's signature is wrong") from None
        self._check_claims(account, credentials.client_id, claims)
        return found

    def _check_claims(self, account: Account, client_id: str, claims: dict[str, Any]) -> None:
        behavior, now = self._state.behavior, self._clock.wall().timestamp()
        leeway = behavior.assertion_leeway.total_seconds()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expiry, used = claims.get("exp"), claims.get("jti")
        if claims.get("sub") != client_id:
            raise _bad_client("iss and sub must both be the client id")
        accepted = self._state.links.audiences(account.name) | self._state.links_of(account).audiences(account.name)
        if accepted.isdisjoint(each for each in audiences if isinstance(each, str)):
            raise _bad_client("aud must be the token URL")
        if isinstance(expiry, bool) or not isinstance(expiry, int | float) or expiry <= now - leeway:
            raise _bad_client("exp is missing or in the past")
        if expiry > now + behavior.assertion_lifetime.total_seconds() + leeway:
            raise _bad_client("exp is too far in the future")
        if not isinstance(used, str) or not used or (client_id, used) in self._used_ids:
            raise _bad_client("jti is missing or was used before")
        self._used_ids[client_id, used] = expiry + leeway

    def _scopes(self, app: App, wanted: str | None) -> frozenset[str]:
        now = self._clock.now()
        working = {scope for scope, since in app.scopes.items() if since <= now}
        if wanted is None:
            return frozenset(working)
        asked = frozenset(wanted.split())
        if unknown := asked - app.scopes.keys():
            raise TokenRefusedError(400, "invalid_scope", f"not granted to this app: {' '.join(sorted(unknown))[:200]}")
        if early := asked - working:
            raise TokenRefusedError(401, "invalid_scope", f"not effective yet: {' '.join(sorted(early))}")
        return asked


def _bad_client(description: str) -> TokenRefusedError:
    return TokenRefusedError(401, "invalid_client", description)
