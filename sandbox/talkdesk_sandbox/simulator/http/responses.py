"""HTTP responses: JSON, and errors in the shapes that Talkdesk's pages show.

Belongs here: forming responses. Does not belong here: deciding what they say.
"""

from typing import Any, Literal

import orjson
from starlette.responses import Response
from typing_extensions import override

_CODES = {400: "0030001", 401: "0030002", 403: "0030003", 404: "0030004", 409: "0030005", 500: "0030000"}


class JsonResponse(Response):
    """A response with JSON on one line."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        """Return the content as JSON."""
        return orjson.dumps(content)


class ApiError(Exception):
    """A request of the Apps, Accounts, Users or Events API is refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error(status: int, message: str, shape: Literal["standard", "legacy"]) -> Response:
    """Return an error: `{code, message, description, fields}`, or the older `{"error"}`."""
    if shape == "legacy":
        return JsonResponse({"error": message}, status)
    code = _CODES.get(status, "0030000")
    return JsonResponse({"code": code, "message": message, "description": message, "fields": []}, status)
