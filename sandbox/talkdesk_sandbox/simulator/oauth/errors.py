"""What can go wrong with a token request or a login.

::

    TokenRefusedError             the token request gets `status` with `{"error", "error_description"}`
    AuthorizationRefusedError     the browser gets a page; it is sent nowhere, because nobody vouches for where
    AuthorizationRedirectError    the browser is sent back to the app with an error
"""

from urllib.parse import urlencode


class TokenRefusedError(Exception):
    """The token request is refused."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


def invalid_client(description: str) -> TokenRefusedError:
    """Return the refusal of a client that has not proved who it is."""
    return TokenRefusedError(401, "invalid_client", description)


class AuthorizationRefusedError(Exception):
    """The request names no client of the account, or no redirect URI that is the client's: RFC 6749, 4.1.2.1."""


class AuthorizationRedirectError(Exception):
    """The app is told by its redirect URI what is wrong with its request."""

    def __init__(self, redirect_uri: str, state: str | None, error: str, description: str) -> None:
        super().__init__(description)
        answer = {"error": error, "error_description": description}
        self.location = with_query(redirect_uri, answer, state)
        self.error = error


def with_query(redirect_uri: str, answer: dict[str, str], state: str | None) -> str:
    """Return a redirect URI with what a login comes to, and with the request's state if it had one."""
    fields = answer if state is None else answer | {"state": state}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(fields)}"
