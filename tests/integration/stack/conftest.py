"""Webhook, operator and simulator together: one platform for each module, an app and a Talkdesk for each test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.invariants import secrets_in_describe
from builders.module_platform import module_platform
from builders.platform import Platform
from builders.stack import Stacks
from talkdesk_sandbox.controlplane import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(crds: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Run both programs for the tests of a module."""
    async with module_platform(crds, request, TALKDESK_TIMEOUT="2s") as made:
        yield made
        assert not await secrets_in_describe(made)


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Create apps with Talkdesks of their own; the invariants are checked at the end of each."""
    return checked(programs)
