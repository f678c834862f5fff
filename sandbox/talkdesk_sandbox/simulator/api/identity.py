"""Paths of an account's logins and tokens: at a host of the account's own, or below `/accounts/{name}`.

Belongs here: routes that are there in both ways, and which account a request means. Does not belong here: answers.
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from talkdesk_sandbox.simulator.state.links import Links

Endpoint = Callable[[Request], Awaitable[Response]]


def identity_routes(path: str, endpoint: Endpoint, methods: Sequence[str] = ("GET",)) -> list[Route]:
    """Return the routes of a path at every account."""
    below = Route(f"/accounts/{{account_name:path}}{path}", endpoint, methods=list(methods))
    # An account name may contain any character; Starlette's own pattern for a path stops at a line break.
    below.path_regex = re.compile(f"^/accounts/(?P<account_name>.+){re.escape(path)}$", re.DOTALL)
    return [Route(path, endpoint, methods=list(methods)), below]


def account_name_of(request: Request, links: Links) -> str | None:
    """Return the account that the path or the host names; None where neither does."""
    named: str | None = request.path_params.get("account_name")
    return named or links.account_of_host(request.headers.get("host", ""))
