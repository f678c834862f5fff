"""Access tokens: issued to authenticated clients, for themselves or for a user; found by routes, ended.

Belongs here: issuing, finding and ending tokens, those that renew them too. Does not belong here: who the client is
(`client_authentication`), authorization codes (`codes`), HTTP routes. Access tokens end on the simulator's clock.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.oauth.client_authentication import ClientAuthentication
from talkdesk_sandbox.simulator.oauth.codes import AuthorizationCodes, CodeUsedError
from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError, invalid_client
from talkdesk_sandbox.simulator.oauth.id_tokens import IdTokens
from talkdesk_sandbox.simulator.oauth.logins import Login
from talkdesk_sandbox.simulator.oauth.scopes import granted_scopes
from talkdesk_sandbox.simulator.state.entities import Credentials, Installation
from talkdesk_sandbox.simulator.state.installation_state import InstallationState, credentials_work
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

_KINDS: Final = ("client_credentials", "authorization_code", "refresh_token")


@dataclass(frozen=True, slots=True)
class Grant:
    """What an access token stands for."""

    installation: Installation
    credentials: Credentials
    scopes: frozenset[str]
    expires_at: datetime
    login: Login | None = None
    """The user's session that it comes from; None for a token of the app itself."""
    code: str = ""
    """The authorization code that it comes from."""


class Tokens:
    """Issues and keeps access tokens."""

    def __init__(self, state: TalkdeskState, clock: Clock, codes: AuthorizationCodes, id_tokens: IdTokens) -> None:
        self._state = state
        self._clock = clock
        self._codes = codes
        self._id_tokens = id_tokens
        self._grants: dict[str, Grant] = {}
        self._renewals: dict[str, Grant] = {}
        self.clients = ClientAuthentication(state, clock)

    def exchange(self, account_name: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Answer a token request. Raises TokenRefusedError."""
        kind = form.get("grant_type")
        if kind not in _KINDS:
            raise TokenRefusedError(400, "unsupported_grant_type", f"grant_type must be one of {', '.join(_KINDS)}")
        account = self._state.account_named(account_name)
        if account is None:
            raise invalid_client("no such account")
        installation, credentials = self.clients.authenticate(account, form, authorization)
        if kind == "authorization_code":
            return self._by_code(installation, credentials, form)
        if kind == "refresh_token":
            return self._by_refresh_token(credentials, form)
        scopes = granted_scopes(self._state.apps[installation.app_id], form.get("scope"), self._clock.now())
        return self._issue(Grant(installation, credentials, scopes, self._end()))

    def find(self, token: str) -> Grant | None:
        """Return what a token stands for; None when it is unknown, expired or its credentials have ended.

        A token of an uninstalled installation is found unless `after_uninstall_status` is 401.
        """
        grant, now = self._grants.get(token), self._clock.now()
        if grant is None or now >= grant.expires_at or not grant.credentials.works(now):
            return None
        if grant.login is not None and grant.login.ended:
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
        self._renewals = {
            each: grant for each, grant in self._renewals.items() if grant.login and not grant.login.ended
        }
        self._codes.remove_expired()
        self.clients.remove_expired()

    def end_all(self) -> None:
        """Make every access token invalid, as after a restart of an identity service."""
        self._grants.clear()

    def _by_code(self, installation: Installation, credentials: Credentials, form: Mapping[str, str]) -> dict[str, Any]:
        code = form.get("code", "")
        try:
            found = self._codes.redeem(credentials, form)
        except CodeUsedError:
            self._end_all_of(code)
            raise TokenRefusedError(400, "invalid_grant", "the code was used before") from None
        request = found.request
        grant = Grant(installation, credentials, request.scopes, self._end(), found.login, code)
        return self._issue(grant) | self._for_user(grant, request.nonce)

    def _by_refresh_token(self, credentials: Credentials, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer with new tokens; the refresh token is used up by it."""
        grant = self._renewals.get(form.get("refresh_token", ""))
        if grant is None or grant.credentials is not credentials or grant.login is None or grant.login.ended:
            raise TokenRefusedError(400, "invalid_grant", "no such refresh token of this client")
        asked = frozenset(form["scope"].split()) if form.get("scope") else grant.scopes
        if not asked <= grant.scopes:
            raise TokenRefusedError(400, "invalid_scope", "more than was granted to the refresh token")
        del self._renewals[form["refresh_token"]]
        renewed = replace(grant, scopes=asked, expires_at=self._end())
        return self._issue(renewed) | self._for_user(renewed, None)

    def _for_user(self, grant: Grant, nonce: str | None) -> dict[str, Any]:
        """Return what only a user's token comes with."""
        assert grant.login is not None  # noqa: S101 - both callers have looked
        behavior, more = self._state.behavior, {"sid": grant.login.id}
        if behavior.id_token == "openid" and "openid" in grant.scopes:  # noqa: S105 - no secret
            more["id_token"] = self._id_tokens.issue(grant.login, grant.credentials.client_id, nonce)
        asked = "refresh_token" in grant.scopes
        if behavior.refresh_token == "always" or (behavior.refresh_token == "asked" and asked):  # noqa: S105 - no secret
            more["refresh_token"] = secrets.token_urlsafe(48)
            self._renewals[more["refresh_token"]] = grant
        return more

    def _end_all_of(self, code: str) -> None:
        """End what a code gave."""
        self._grants = {token: grant for token, grant in self._grants.items() if grant.code != code}
        self._renewals = {token: grant for token, grant in self._renewals.items() if grant.code != code}

    def _end(self) -> datetime:
        return self._clock.now() + self._state.behavior.token_lifetime

    def _issue(self, grant: Grant) -> dict[str, Any]:
        token = secrets.token_urlsafe(48)
        self._grants[token] = grant
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self._state.behavior.token_lifetime.total_seconds()),
            "scope": " ".join(sorted(grant.scopes)),
        }
