"""Streams of watches: each event is a point, and may come late or get lost.

A real API server keeps the order within a stream and leaves nothing out of one. So an event is held back together with
all after it in its stream, as far as one life goes; and what is lost is lost with the end of the stream: it says 410,
and whoever watched lists anew.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

import aiohttp
import orjson
from aiohttp import web

from talkdesk_runtime.line_splitter import Lines
from torture.points import Kind
from torture.track import Track

__all__ = ["Streams"]

_LATE: Final = 1.5
"""Seconds after which a late event comes although no other stream had one: nothing else happens then."""
_LONGEST: Final = 8 * 1024 * 1024
_EXPIRED: Final = {
    "type": "ERROR",
    "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"},
}
_KIND: Final = re.compile(r"[^/]+$")


class Streams:
    """Those of one program."""

    def __init__(self, actor: str, track_of: Callable[[bytes], Track | None]) -> None:
        self._actor = actor
        self._track_of = track_of
        self._open: set[asyncio.Event] = set()

    def expire(self) -> None:
        """End every open stream with 410."""
        for each in self._open:
            each.set()

    async def copy(self, path: str, source: aiohttp.StreamReader, sink: web.StreamResponse) -> None:
        """Pass a stream on until it ends on either side, or expires. That of the Lease is left alone."""
        if "/leases" in path:
            async for piece in source.iter_any():
                await sink.write(piece)
            return
        expired, stream = asyncio.Event(), _Stream(self._actor, path, sink, self._track_of)
        self._open.add(expired)
        copying, ending = asyncio.create_task(stream.copy(source)), asyncio.create_task(expired.wait())
        try:
            await asyncio.wait((copying, ending), return_when=asyncio.FIRST_COMPLETED)
            if copying.done():
                copying.result()
            else:
                await sink.write(orjson.dumps(_EXPIRED) + b"\n")
        finally:
            self._open.discard(expired)
            for task in (copying, ending, *stream.tasks):
                task.cancel()
            await asyncio.gather(copying, ending, *stream.tasks, return_exceptions=True)


class _Stream:
    def __init__(
        self, actor: str, path: str, sink: web.StreamResponse, track_of: Callable[[bytes], Track | None]
    ) -> None:
        self._actor = actor
        self._path = path
        self._sink = sink
        self._track_of = track_of
        self._held: dict[Track, list[bytes]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def copy(self, source: aiohttp.StreamReader) -> None:
        lines = Lines(_LONGEST)
        async for piece in source.iter_any():
            for line in lines.feed(piece):
                await self._take(bytes(line) + b"\n")

    async def _take(self, line: bytes) -> None:
        track = None if line.startswith(b'{"type":"BOOKMARK"') else self._track_of(line)
        if track is None:
            await self._sink.write(line)
            return
        kind = track.meet(self._actor, "watch", self._what(line))
        if track in self._held:
            self._held[track].append(line)
        elif kind in {Kind.LATE_EVENT, Kind.LOST_EVENT}:
            self._held[track] = [line]
            if kind is Kind.LATE_EVENT:
                self.tasks.add(asyncio.create_task(self._release(track)))
        else:
            await self._sink.write(line)
            await track.passed(self._path)

    async def _release(self, track: Track) -> None:
        await track.another_passes(self._path, _LATE)
        held = self._held[track]
        while held:
            await self._sink.write(held.pop(0))
        del self._held[track]

    def _what(self, line: bytes) -> str:
        event = orjson.loads(line)
        found = _KIND.search(self._path)
        return f"{event['type']} {found[0] if found else ''}/{event['object']['metadata']['name']}"
