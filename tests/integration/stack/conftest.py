"""Webhook, operator and simulator together: one platform a module, one app and Talkdesk a test."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from builders.invariants import described, violations
from builders.platform import Platform, platform
from builders.stack import Stack, Stacks, stack
from talkdesk_sandbox.controlplane import Cluster

_LAST_LINES = 30  # of a log, when a test fails


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(crds: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Both programs, for the tests of a module; OPERATOR in the module are settings."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    crds.kubectl("create", "namespace", name)
    settings = {"TALKDESK_TIMEOUT": "2s", **getattr(request.module, "OPERATOR", {})}
    async with platform(crds, name, **settings) as made:
        yield made
        assert not await described(made)
        if request.config.getoption("--use-existing-cluster"):
            await made.clear()
    crds.kubectl("delete", "namespace", name, "--wait=false")


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Make apps with Talkdesks of their own; at the end of each, the invariants hold."""

    @asynccontextmanager
    async def make(**spec: Any) -> AsyncIterator[Stack]:
        async with stack(programs, **spec) as made:
            try:
                yield made
                assert not await violations(made)
            except AssertionError as error:
                for name, program in programs.programs.items():
                    last = program.log.decode(errors="replace").splitlines()[-_LAST_LINES:]
                    error.add_note("\n".join([f"the last lines of the {name}:", *last]))
                raise

    return make
