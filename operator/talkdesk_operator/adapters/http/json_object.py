"""The JSON object in a response, read leniently.

Belongs here: what is wrong with a body, in words that quote nothing of it. Does not belong here: members, and whether a
body may be missing.
"""

from typing import Any, Final

from talkdesk_operator.adapters.http.sending import HttpResponse
from talkdesk_runtime.lenient_json import UnreadableError, read_lenient

__all__ = ["EMPTY", "json_object"]

EMPTY: Final = "is empty"


def json_object(response: HttpResponse) -> dict[str, Any] | str:
    """Return the object, or what is wrong with the body, continuing "the answer …": EMPTY, where there is none."""
    if response.problem:
        return response.problem
    if not response.body.strip():
        return EMPTY
    try:
        content = read_lenient(response.body)
    except UnreadableError as error:
        return str(error)
    return content if isinstance(content, dict) else "is JSON but no object"
