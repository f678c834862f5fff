"""Simulators on free ports, a callback for their events, and partners made from an event."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import orjson
import pytest
from aiohttp import web

from builders.listening import listening
from builders.partner import Callback, Partner
from builders.simulators import Meet, Start
from talkdesk_sandbox.simulator import Behavior, Clock, Settings, SimulatorServer
from talkdesk_sandbox.simulator.views.models import Outcome


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    made = Callback()
    application = web.Application()
    application.router.add_post("/events/{rest:.*}", made.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    async with listening(runner) as url:
        made.url = f"{url}/events/app"
        yield made
        if made.hang:
            made.hang.set()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def run(
            *, clock: Clock | None = None, callback_url: str | None = None, **behavior: Any
        ) -> SimulatorServer:
            settings = Settings(callback_url=callback_url, behavior=Behavior(**behavior))
            return await stack.enter_async_context(SimulatorServer(settings, clock=clock))

        yield run


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


@pytest.fixture
async def meet(http: httpx.AsyncClient) -> Meet:
    async def read(server: SimulatorServer, outcome: Outcome) -> Partner:
        signed = await server.client.sign(outcome.events[0].id)
        return Partner(http, orjson.loads(signed.body))

    return read
