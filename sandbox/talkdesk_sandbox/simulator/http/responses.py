"""The JSON response that all routes use.

Belongs here: forming responses. Does not belong here: deciding what they say, errors of the API (`api.errors`).
"""

from typing import Any

import orjson
from starlette.responses import Response
from typing_extensions import override


class JsonResponse(Response):
    """A response with JSON on one line."""

    media_type = "application/json"

    @override
    def render(self, content: Any) -> bytes:
        """Return the content as JSON."""
        return orjson.dumps(content)
