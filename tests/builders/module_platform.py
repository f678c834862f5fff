"""The platform that the tests of one module share."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from builders.cleared_namespace import delete_namespace
from builders.platform import Platform, platform
from talkdesk_sandbox.controlplane import Cluster


@asynccontextmanager
async def module_platform(cluster: Cluster, request: pytest.FixtureRequest, **settings: str) -> AsyncIterator[Platform]:
    """Run webhook and operator in a new namespace; OPERATOR in the test module adds to the operator's settings."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    cluster.kubectl("create", "namespace", name)
    async with platform(cluster, name, **settings | getattr(request.module, "OPERATOR", {})) as made:
        yield made
        if request.config.getoption("--use-existing-cluster"):
            await made.clear()
    await asyncio.to_thread(delete_namespace, cluster, name)
