"""What both proxies do with HTTP: headers that end at a proxy, and cutting a connection."""

from typing import Final

import aiohttp
from aiohttp import web

__all__ = ["HOP_BY_HOP", "cut", "passed_on"]

HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "host"})


def passed_on(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers of an answer that go on to whoever asked."""
    return {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}


def cut(request: web.BaseRequest) -> web.Response:
    """Cut the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
