"""Access tokens: issued to authenticated clients, found by routes, ended.

Belongs here: scopes, issuing, finding and ending tokens. Does not belong here: who the client is
(`client_authentication`), HTTP routes. Access tokens end on the simulator's clock.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.oauth.client_authentication import ClientAuthentication
from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError, invalid_client
from talkdesk_sandbox.simulator.state.entities import App, Credentials, Installation
from talkdesk_sandbox.simulator.state.installation_state import InstallationState, credentials_work
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


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
        self._clients = ClientAuthentication(state, clock)

    def exchange(self, account_name: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Answer a token request. Raises TokenRefusedError."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefusedError(400, "unsupported_grant_type", "grant_type must be client_credentials")
        account = self._state.account_named(account_name)
        if account is None:
            raise invalid_client("no such account")
        installation, credentials = self._clients.authenticate(account, form, authorization)
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
        now = self._clock.now()
        self._grants = {token: grant for token, grant in self._grants.items() if grant.expires_at > now}
        self._clients.remove_expired()

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
