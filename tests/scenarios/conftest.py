"""One platform for all scenarios, and golden files to compare with or to write anew."""

import difflib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.crds import apply_crds
from builders.platform import Platform, platform
from builders.stack import Stacks
from talkdesk_sandbox.controlplane import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(control_plane: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Both programs, for the tests of a module; OPERATOR in the module are settings."""
    apply_crds(control_plane)
    name = f"test-{uuid.uuid4().hex[:12]}"
    control_plane.kubectl("create", "namespace", name)
    # One at a time, so that a trace has one order.
    settings = {"WORKERS": "1", **getattr(request.module, "OPERATOR", {})}
    async with platform(control_plane, name, **settings) as made:
        yield made
        if request.config.getoption("--use-existing-cluster"):
            await made.clear()
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Make apps with Talkdesks of their own; at the end of each, the invariants hold."""
    return checked(programs)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Compare a text with the test's golden file, or write it there when that was asked for."""
    path = Path(__file__).parent / f"{request.node.originalname.removeprefix('test_')}.golden"

    def compare(text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        kept = path.read_text() if path.exists() else ""
        difference = difflib.unified_diff(kept.splitlines(), text.splitlines(), path.name, "now", lineterm="")
        assert text == kept, "\n" + "\n".join(difference)

    return compare
