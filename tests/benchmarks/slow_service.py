"""A partner's service that takes its time: `python slow_service.py PORT SECONDS`.

It has every tenant that it is asked to have, says so after so many seconds, and keeps nothing. Belongs here: that.
Does not belong here: signatures, operations, faults (`sandbox`).
"""

import asyncio
import sys

from aiohttp import web


def main(port: int, seconds: float) -> None:
    """Serve until it is killed."""

    async def there(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(seconds)
        tenant = request.match_info["tenant"]
        return web.json_response({"outputs": {"endpoint": f"https://{tenant}.example.com"}}, status=201)

    async def well(_: web.Request) -> web.Response:
        return web.Response(text="well\n")

    app = web.Application()
    app.add_routes([web.put("/v1/tenants/{tenant}", there), web.get("/", well)])
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
