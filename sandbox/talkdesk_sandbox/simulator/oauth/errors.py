"""What can go wrong with a token request.

::

    TokenRefusedError      the token request gets `status` with `{"error", "error_description"}`
"""


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
