"""A Talkdesk that knows every customer, and says of each what it says of one: `python any_talkdesk.py PORT FACTS`.

FACTS is a file with the status of an installation. The account's name is in the URL of its tokens, and then in the
token; ids follow from it. Belongs here: what a resync reads. Does not belong here: events, answers, faults (`sandbox`).
"""

import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web


def main(port: int, status: dict[str, Any]) -> None:
    """Serve until it is killed."""
    app = web.Application()
    app.add_routes(
        [
            web.post("/accounts/{account}/oauth/token", _token),
            web.get("/account", lambda request: _account(request, status["account"])),
            web.get("/apps/{app}/installations/{installation}", lambda request: _installation(request, status)),
            web.get("/apps/{app}/installations/{installation}/subscription", lambda _: _subscription(status)),
        ]
    )
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


async def _token(request: web.Request) -> web.Response:
    return web.json_response({"access_token": request.match_info["account"], "expires_in": 600})


async def _account(request: web.Request, known: dict[str, Any]) -> web.Response:
    name = request.headers["Authorization"].removeprefix("Bearer ")
    # As `copies.account_id` makes it of the number in the name.
    own = known["id"] if name == known["name"] else f"{int(name[1:]):032x}"
    facts = {"id": own, "name": name, "company_name": known.get("companyName")}
    return web.json_response({**facts, "timezone": known.get("timezone")})


async def _installation(request: web.Request, status: dict[str, Any]) -> web.Response:
    state = {"state": "completed"}
    answer = {"id": request.match_info["installation"], "app_id": request.match_info["app"]}
    return web.json_response({**answer, "_embedded": {"state": state, "created_by": {"id": status.get("createdBy")}}})


async def _subscription(status: dict[str, Any]) -> web.Response:
    known = status["subscription"]
    facts = {"type": known.get("type"), "name": known.get("name"), "total_licenses": known.get("licenses")}
    return web.json_response(facts)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
