"""Answers of the HTTP side: JSON, and errors in the shapes that Talkdesk's pages show.

Belongs here: writing answers. Does not belong here: deciding them.
"""

from typing import Any, Literal

import orjson
from starlette.responses import Response
from typing_extensions import override

_CODES = {400: "0030001", 401: "0030002", 403: "0030003", 404: "0030004", 409: "0030005", 500: "0030000"}


class Json(Response):
    """JSON on one line."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        """Write the content."""
        return orjson.dumps(content)


class ApiError(Exception):
    """A request of the Apps, Accounts, Users or Events API is refused."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error(status: int, message: str, shape: Literal["standard", "legacy"]) -> Response:
    """Write an error: `{code, message, description, fields}`, or the older `{"error"}`."""
    if shape == "legacy":
        return Json({"error": message}, status)
    code = _CODES.get(status, "0030000")
    return Json({"code": code, "message": message, "description": message, "fields": []}, status)
