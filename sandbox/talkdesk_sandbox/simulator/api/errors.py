"""Errors of the API that partners call, in the shapes that Talkdesk's pages show.

::

    ApiError               the request is refused with a status and a message
"""

from typing import Literal

from starlette.responses import Response

from talkdesk_sandbox.simulator.http.responses import JsonResponse

_CODES = {400: "0030001", 401: "0030002", 403: "0030003", 404: "0030004", 409: "0030005", 500: "0030000"}


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
