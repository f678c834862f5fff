"""Authorization codes: given to a browser, exchanged once by the client that asked.

Belongs here: codes and what an exchange must prove. Does not belong here: who the client is, what it gets (`tokens`).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.oauth.authorization import AuthorizationRequest
from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError
from talkdesk_sandbox.simulator.oauth.logins import Login
from talkdesk_sandbox.simulator.state.entities import Credentials
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState


@dataclass(slots=True)
class AuthorizationCode:
    """What a code stands for."""

    request: AuthorizationRequest
    login: Login
    expires_at: datetime
    """By real time: a browser brings it at once."""
    used: bool = False


class CodeUsedError(Exception):
    """The code was exchanged before: whoever has what it gave may be a thief."""


class AuthorizationCodes:
    """Codes that were given, used ones too until they would have expired."""

    def __init__(self, state: TalkdeskState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._codes: dict[str, AuthorizationCode] = {}

    def give(self, request: AuthorizationRequest, login: Login) -> str:
        """Return a new code."""
        code = secrets.token_urlsafe(32)
        expires_at = self._clock.wall() + self._state.behavior.code_lifetime
        self._codes[code] = AuthorizationCode(request, login, expires_at)
        return code

    def redeem(self, credentials: Credentials, form: Mapping[str, str]) -> AuthorizationCode:
        """Return what a client's code stands for, and use it up. Raises TokenRefusedError, CodeUsedError."""
        found = self._codes.get(form.get("code", ""))
        if found is None or found.request.credentials is not credentials:
            raise _refused("no such code of this client")
        if found.used:
            raise CodeUsedError
        found.used = True
        if self._clock.wall() >= found.expires_at or found.login.ended:
            raise _refused("the code has expired")
        if form.get("redirect_uri") != found.request.redirect_uri:
            raise _refused("redirect_uri is not that of the request")
        if not _proves(form.get("code_verifier"), found.request.challenge):
            raise _refused("code_verifier does not fit the challenge")
        return found

    def remove_expired(self) -> None:
        """Remove codes that can't be exchanged any more."""
        wall = self._clock.wall()
        self._codes = {code: found for code, found in self._codes.items() if found.expires_at > wall}


def _proves(verifier: str | None, challenge: str | None) -> bool:
    """Return whether a verifier is that of the challenge, by RFC 7636; without a challenge there must be none."""
    if verifier is None or challenge is None:
        return verifier is challenge
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"="), challenge.encode())


def _refused(description: str) -> TokenRefusedError:
    return TokenRefusedError(400, "invalid_grant", description)
