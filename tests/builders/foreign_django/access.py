"""Who may call a service: whoever has the token of the tests."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from django.http import HttpResponse

from builders.scim import TOKEN

__all__ = ["anybody", "with_token"]


def with_token(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a middleware that lets nobody in without the token."""

    def check(request: Any) -> Any:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return HttpResponse(status=401)
        request.user = SimpleNamespace(is_authenticated=True, is_superuser=True, is_anonymous=False)
        return answer(request)

    return check


def anybody(_request: Any) -> bool:
    """Return whether a request may be answered, once the middleware has let it through."""
    return True
