"""Requests of the authorization-code flow: which are answered, and how the others are refused.

Belongs here: the rules of RFC 6749 (4.1.1, 4.1.2.1) and RFC 7636 for the request. Does not belong here: who logs in
(`logins`), the code (`codes`), pages.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from talkdesk_sandbox.simulator.oauth.client_authentication import ClientAuthentication
from talkdesk_sandbox.simulator.oauth.errors import (
    AuthorizationRedirectError,
    AuthorizationRefusedError,
    TokenRefusedError,
    with_query,
)
from talkdesk_sandbox.simulator.oauth.scopes import granted_scopes
from talkdesk_sandbox.simulator.settings import Behavior
from talkdesk_sandbox.simulator.state.entities import Account, App, Credentials, Installation
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What an app asks of a user's login."""

    account: Account
    installation: Installation
    credentials: Credentials
    redirect_uri: str
    state: str | None
    scopes: frozenset[str]
    nonce: str | None
    challenge: str | None
    silent: bool
    """Whether nothing may be asked of the user: `prompt=none`."""

    def refused(self, error: str, description: str) -> AuthorizationRedirectError:
        """Return what tells the app that there is no code."""
        return AuthorizationRedirectError(self.redirect_uri, self.state, error, description)

    def answered(self, code: str) -> str:
        """Return where the browser goes with a code."""
        return with_query(self.redirect_uri, {"code": code}, self.state)


def read_request(
    state: TalkdeskState, clients: ClientAuthentication, account: Account, parameters: Parameters, now: datetime
) -> AuthorizationRequest:
    """Read a request. Raises AuthorizationRefusedError, and AuthorizationRedirectError once its way back is known."""
    try:
        installation, credentials = clients.client(account, _only(parameters, "client_id"))
    except (TokenRefusedError, _RepeatedError) as problem:
        raise AuthorizationRefusedError(f"client_id: {problem}") from None
    app, redirect_uri = state.apps[installation.app_id], _redirect_uri(parameters)
    if not _is_registered(app, redirect_uri, state.behavior):
        raise AuthorizationRefusedError("redirect_uri: not one that is registered for this app")
    try:
        returned = _only(parameters, "state")
    except _RepeatedError as problem:
        raise AuthorizationRedirectError(redirect_uri, None, "invalid_request", str(problem)) from None
    try:
        return AuthorizationRequest(
            account,
            installation,
            credentials,
            redirect_uri,
            returned,
            _asked(app, parameters, now),
            _only(parameters, "nonce"),
            _challenge(parameters, state.behavior),
            _only(parameters, "prompt") == "none",
        )
    except TokenRefusedError as refused:
        raise AuthorizationRedirectError(redirect_uri, returned, refused.error, refused.description) from None
    except _RepeatedError as problem:
        raise AuthorizationRedirectError(redirect_uri, returned, "invalid_request", str(problem)) from None


class _RepeatedError(Exception):
    """A parameter is there more than once."""


def _only(parameters: Parameters, name: str) -> str | None:
    """Return a parameter; None where it is missing or empty. Raises _RepeatedError."""
    values = [value for key, value in parameters if key == name]
    if len(values) > 1:
        raise _RepeatedError(f"{name} is there more than once")
    return values[0] or None if values else None


def _redirect_uri(parameters: Parameters) -> str:
    try:
        found = _only(parameters, "redirect_uri")
    except _RepeatedError as problem:
        raise AuthorizationRefusedError(str(problem)) from None
    if found is None:
        raise AuthorizationRefusedError("redirect_uri is missing")
    return found


def _is_registered(app: App, uri: str, behavior: Behavior) -> bool:
    match behavior.redirect_uri_check:
        case "exact":
            return uri in app.redirect_uris
        case "wildcard":
            # A star is one label, or a part of one: `https://*.example.com/callback` leads to no other domain.
            patterns = (re.escape(each).replace(r"\*", "[A-Za-z0-9-]+") for each in app.redirect_uris)
            return any(re.fullmatch(pattern, uri) for pattern in patterns)
        case "unchecked":
            return _is_web_address(uri)


def _is_web_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment and uri.isprintable()


def _asked(app: App, parameters: Parameters, now: datetime) -> frozenset[str]:
    """Return the scopes. Raises TokenRefusedError with what the app is told; its status is not used."""
    if _only(parameters, "response_type") != "code":
        raise TokenRefusedError(302, "unsupported_response_type", "response_type must be code")
    return granted_scopes(app, _only(parameters, "scope"), now)


def _challenge(parameters: Parameters, behavior: Behavior) -> str | None:
    if behavior.pkce == "ignored":
        return None
    challenge, method = _only(parameters, "code_challenge"), _only(parameters, "code_challenge_method")
    if challenge is None:
        if behavior.pkce == "required" or method is not None:
            raise TokenRefusedError(302, "invalid_request", "code_challenge is missing")
        return None
    if method != "S256" or _CHALLENGE.fullmatch(challenge) is None:
        raise TokenRefusedError(302, "invalid_request", "code_challenge_method must be S256, with a challenge of that")
    return challenge
