"""The end in order: not ready, drained, closed; and no request that has begun to arrive is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from builders.manual_clock import ManualClock
from builders.serving import until
from talkdesk_webhook.connection import BoundedConnection
from talkdesk_webhook.server import Drain, DrainingServer, server_config

WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LONG = timedelta(hours=1)


@dataclass
class Running:
    """A server, its drain, and the clock of it."""

    server: DrainingServer
    drain: Drain
    clock: ManualClock
    task: asyncio.Task[None]
    release: asyncio.Event
    waiting: list[str]

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    def signal(self, number: signal.Signals) -> None:
        self.server.handle_exit(number, None)

    async def drained(self) -> None:
        """Let the drain be over, and wait until nothing listens."""
        self.clock.advance(LONG.total_seconds() + 1)
        await until(lambda: not self.server.servers[0].is_serving())


@asynccontextmanager
async def running(delay: timedelta = LONG) -> AsyncIterator[Running]:
    release, waiting, clock = asyncio.Event(), list[str](), ManualClock()

    async def wait(_: Request) -> Response:
        waiting.append("one")
        await release.wait()
        return Response("waited")

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    drain = Drain(delay, monotonic=clock.runtime_clock().monotonic)

    def connection(**parts: object) -> BoundedConnection:
        return BoundedConnection(**parts, draining=lambda: drain.begun)  # type: ignore[arg-type]

    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/wait", wait)])
    server = DrainingServer(server_config(app, connection, host="127.0.0.1", port=0), drain)
    task = asyncio.create_task(server._serve())
    try:
        await until(lambda: server.started)
        yield Running(server, drain, clock, task, release, waiting)
    finally:
        release.set()
        server.should_exit = True
        await task


async def ask(port: int, sent: bytes = WHOLE) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


async def test_after_sigterm_new_connections_are_served_and_closed_by_their_response() -> None:
    async with running() as it:
        with structlog.testing.capture_logs() as logs:
            it.signal(signal.SIGTERM)
            for _ in range(3):
                answer = await ask(it.port)  # which ends only because the response closes
                assert answer.startswith(b"HTTP/1.1 200")
                assert b"connection: close" in answer.lower()
            await until(lambda: [each["event"] for each in logs] == ["server.draining"])
        assert not it.task.done()


async def test_after_sigterm_a_connection_that_was_kept_alive_is_closed_by_its_next_response() -> None:
    async with running() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(WHOLE)
        first = await reader.readuntil(b"\r\n\r\n")
        assert b"connection: close" not in first.lower()
        it.signal(signal.SIGTERM)
        await asyncio.sleep(0)
        writer.write(WHOLE)
        async with asyncio.timeout(10):
            assert b"connection: close" in (await reader.read()).lower()
        writer.close()


async def test_a_request_that_runs_at_sigterm_closes_its_connection_too() -> None:
    async with running() as it:
        asking = asyncio.create_task(ask(it.port, b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"))
        await until(lambda: it.waiting == ["one"])
        with structlog.testing.capture_logs() as logs:
            it.signal(signal.SIGTERM)
            await until(lambda: len(logs) == 1)
        it.release.set()
        assert b"connection: close" in (await asking).lower()


@pytest.mark.parametrize("arrived", [WHOLE[:7], WHOLE[:-2]], ids=["a part of the line", "a part of the head"])
async def test_a_request_that_has_begun_to_arrive_when_the_drain_is_over_is_served(arrived: bytes) -> None:
    async with running() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(arrived)
        await until(lambda: any(each._overhead for each in it.server.server_state.connections))  # type: ignore[union-attr]
        it.signal(signal.SIGTERM)
        await it.drained()
        writer.write(WHOLE[len(arrived) :])
        async with asyncio.timeout(10):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
        await asyncio.wait_for(asyncio.shield(it.task), 10)


async def test_a_request_that_arrives_just_when_the_drain_is_over_is_served() -> None:
    async with running() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(WHOLE)
        await reader.readuntil(b"\r\n\r\n")
        it.signal(signal.SIGTERM)
        await it.drained()
        writer.write(WHOLE)  # within the second for which a connection stays that was used just now
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_what_is_idle_when_the_drain_is_over_is_closed_and_the_server_ends() -> None:
    async with running() as it:
        _, writer = await asyncio.open_connection("127.0.0.1", it.port)
        await until(lambda: len(it.server.server_state.connections) == 1)
        it.signal(signal.SIGTERM)
        it.clock.advance(LONG.total_seconds() + 1)
        await asyncio.wait_for(asyncio.shield(it.task), 10)
        writer.close()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_cuts_the_drain_short(second: signal.Signals) -> None:
    async with running() as it:
        it.signal(signal.SIGTERM)
        await until(lambda: it.drain.begun and not it.drain.over)
        it.signal(second)
        await asyncio.wait_for(asyncio.shield(it.task), 10)


async def test_sigint_and_no_delay_end_at_once() -> None:
    async with running() as it:
        it.signal(signal.SIGINT)
        await asyncio.wait_for(asyncio.shield(it.task), 10)
    async with running(timedelta()) as it:
        it.signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.shield(it.task), 10)


def test_a_drain_that_is_skipped_is_over() -> None:
    drain = Drain(LONG)
    assert not drain.begun
    drain.skip()
    assert drain.begun
    assert drain.over
