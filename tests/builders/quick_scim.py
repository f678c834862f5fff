"""A SCIM service that is only quick: it checks nothing.

For ten thousand users, because the strict one (`talkdesk_sandbox.scim`) needs a millisecond for each. It is also a
program, so that a benchmark measures the operator alone: `python -m builders.quick_scim` prints its URL.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from builders.listening import listening

CONFIG = {
    "patch": {"supported": True},
    "bulk": {"supported": True, "maxOperations": 1000, "maxPayloadSize": 1 << 20},
    "filter": {"supported": True, "maxResults": 200},
    "etag": {"supported": True},
}
_EXTERNAL_ID = re.compile(r'externalId eq "([^"]*)"')


@dataclass
class QuickScim:
    """Users by external id, and how many requests of each kind came."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        self.requests[name] += 1
        match name:
            case "ServiceProviderConfig":
                return _json(CONFIG)
            case "Users":
                external_ids = _EXTERNAL_ID.findall(request.query["filter"])
                found = [self.users[each] for each in external_ids if each in self.users]
                return _json({"totalResults": len(found), "Resources": found})
            case "Bulk":
                operations = orjson.loads(await request.read())["Operations"]
                return _json({"Operations": [self._do(operation) for operation in operations]})
            case _:
                return _json({"requests": self.requests, "users": len(self.users)})

    def _do(self, operation: dict[str, Any]) -> dict[str, Any]:
        if operation["method"] == "POST":
            user = operation["data"]
            user_id = f"p-{user['externalId']}"
            self.users[user["externalId"]] = {"id": user_id, "active": user["active"], "externalId": user["externalId"]}
        else:
            user_id = operation["path"].removeprefix("/Users/")
            changes = {each["path"]: each["value"] for each in operation["data"]["Operations"]}
            self.users[user_id.removeprefix("p-")] |= {"active": changes["active"]}
        status = "201" if operation["method"] == "POST" else "200"
        location = f"{self.url}/Users/{user_id}"
        return {"bulkId": operation["bulkId"], "status": status, "location": location, "version": 'W/"1"'}


@asynccontextmanager
async def quick_scim() -> AsyncIterator[QuickScim]:
    """Serve on a free port of loopback."""
    scim = QuickScim()
    runner = web.ServerRunner(web.Server(scim.handle), shutdown_timeout=0.1)
    async with listening(runner) as url:
        scim.url = f"{url}/scim"
        yield scim


def _json(content: Any) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/scim+json")


async def _run() -> None:
    async with quick_scim() as scim:
        print(scim.url, flush=True)  # noqa: T201  # the process that started it reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run())
