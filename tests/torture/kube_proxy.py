"""The proxy before the API server: it knows whose each request is, and disturbs the one point of each life.

Belongs here: requests and answers. Does not belong here: the events of watches (`streams`), what a point is (`points`).
"""

import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web
from typing_extensions import override

from builders.kube_gate import Call, KubeGate
from builders.listening import listening
from torture.http import HOP_BY_HOP, cut, passed_on
from torture.points import ANSWERS, Kind
from torture.streams import Streams
from torture.track import Track

__all__ = ["KubeProxy", "kube_proxy"]

_OWN: Final = re.compile(r"authorization\.k8s\.io|authentication\.k8s\.io|/leases")
"""What has no effect on a life: reviews, and the Lease."""
_TOKEN: Final = re.compile(rb"t\d{3}[0-9a-f]{4}")
_REASONS: Final = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class KubeProxy(KubeGate):
    """A gate that knows lives. Made by `kube_proxy`, for one program at a time."""

    def __init__(self, server: str, session: aiohttp.ClientSession, actor: str, tracks: Mapping[str, Track]) -> None:
        super().__init__(server, session)
        self.actor = actor
        self.streams = Streams(actor, self.track_of)
        self.lists: list[str] = []
        """The queries of all listings, and of reads of one object that have a query."""
        self._tracks = tracks

    def track_of(self, text: bytes) -> Track | None:
        """Return whose a text is: the first life of which it has the token."""
        return next(
            (self._tracks[each.decode()] for each in _TOKEN.findall(text) if each.decode() in self._tracks), None
        )

    @override
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(request.method, request.path, request.headers.get("Impersonate-User"), datetime.now(UTC))
        self.calls.append(call)
        body = await request.read()
        if request.method == "GET":
            if "watch" in request.query:
                return await self._watch(request, call)
            self.lists.append(request.query_string)
        track = None if _OWN.search(request.path) else self.track_of(request.path.encode()) or self.track_of(body)
        with _running(track):
            return await self._serve(request, call, body, track)

    async def _serve(
        self, request: web.BaseRequest, call: Call, body: bytes, track: Track | None
    ) -> web.StreamResponse:
        counts = track is not None and request.method != "GET" and "dryRun" not in request.query
        kind = track.meet(self.actor, "kubernetes", _what(request, body)) if track is not None and counts else None
        if kind in ANSWERS:
            return _refusal(int(kind.value))
        struck = None if track is None else track.struck
        if struck is not None and kind is Kind.KILL_BEFORE:
            await struck.wait()
            return cut(request)
        status, headers, answer = await self._forward(request, body)
        call.status = status
        if status == 403:
            call.refusal = _message(answer)
        if struck is not None and kind is Kind.KILL_AFTER:
            await struck.wait()
        return web.Response(body=answer, status=status, headers=headers) if kind is None else cut(request)

    async def _forward(self, request: web.BaseRequest, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        url = self._server + request.raw_path
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            return answer.status, passed_on(answer), await answer.read()

    async def _watch(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP | {"accept-encoding"}}
        async with self._session.get(self._server + request.raw_path, headers=headers) as answer:
            call.status = answer.status
            if answer.status != 200:
                return web.Response(body=await answer.read(), status=answer.status, headers=passed_on(answer))
            response = web.StreamResponse(status=200, headers=passed_on(answer))
            await response.prepare(request)
            await self.streams.copy(request.path, answer.content, response)
            return response


def _what(request: web.BaseRequest, body: bytes) -> str:
    """Return method and path, and what is made where the path does not say it."""
    what = f"{request.method} {request.path}"
    if request.method != "POST" or not body:
        return what
    made = orjson.loads(body)
    word = made.get("reason") or made.get("metadata", {}).get("name", "")
    return f"{what}({word})"


def _refusal(status: int) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": _REASONS[status]}
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.json_response({**body, "message": "disturbed on purpose"}, status=status, headers=headers)


def _message(body: bytes) -> str:
    try:
        said: Any = orjson.loads(body)
        return str(said["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode(errors="replace")


@contextmanager
def _running(track: Track | None) -> Iterator[None]:
    if track is None:
        yield
        return
    with track.running():
        yield


@asynccontextmanager
async def kube_proxy(
    server: str, trust: ssl.SSLContext, actor: str, tracks: Mapping[str, Track]
) -> AsyncIterator[KubeProxy]:
    """Open a proxy to an API server on a free port of loopback, for the program called `actor`."""
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        made = KubeProxy(server, session, actor, tracks)
        # A killed program's requests end with its connection, so a held request is never sent.
        served = web.Server(made.handle, access_log=None, handler_cancellation=True)
        async with listening(web.ServerRunner(served, handle_signals=False, shutdown_timeout=0.1)) as made.url:
            yield made
