"""A client, a strict SCIM service and one with scripted responses."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from builders.scim import TOKEN, HandClock
from scripted_talkdesk import ScriptedTalkdesk, serve
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_sandbox.scim import ScimServer, ScimSettings

Serve = Callable[..., Awaitable[ScimServer]]


@pytest.fixture
def time() -> HandClock:
    return HandClock()


@pytest.fixture
async def client(time: HandClock) -> AsyncIterator[ScimClient]:
    made = ScimClient(proxies={}, clock=time.clock)
    yield made
    await made.aclose()


@pytest.fixture
async def scim() -> AsyncIterator[Serve]:
    """Start a strict service with those settings; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> ScimServer:
            return await stack.enter_async_context(ScimServer(ScimSettings(token=SecretStr(TOKEN), **settings)))

        yield start


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedTalkdesk]:
    async with serve() as server:
        yield server
