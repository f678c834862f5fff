"""A scripted server, a client of it, and time that tests move."""

from collections.abc import AsyncIterator

import pytest

from scripted_talkdesk import ScriptedTalkdesk, serve
from talkdesk_operator.adapters.talkdesk import TalkdeskClient


@pytest.fixture
async def talkdesk() -> AsyncIterator[ScriptedTalkdesk]:
    async with serve() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[TalkdeskClient]:
    made = TalkdeskClient(proxies={})
    yield made
    await made.aclose()
