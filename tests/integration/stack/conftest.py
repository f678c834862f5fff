"""Webhook, operator and simulator together: one platform a module, one app and Talkdesk a test."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.invariants import secrets_in_describe
from builders.platform import Platform, platform
from builders.stack import Stacks
from talkdesk_sandbox.controlplane import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(crds: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Both programs, for the tests of a module; OPERATOR in the module are settings."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    crds.kubectl("create", "namespace", name)
    settings = {"TALKDESK_TIMEOUT": "2s", **getattr(request.module, "OPERATOR", {})}
    async with platform(crds, name, **settings) as made:
        yield made
        assert not await secrets_in_describe(made)
        if request.config.getoption("--use-existing-cluster"):
            await made.clear()
    crds.kubectl("delete", "namespace", name, "--wait=false")


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Make apps with Talkdesks of their own; at the end of each, the invariants hold."""
    return checked(programs)
