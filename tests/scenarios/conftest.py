"""One platform for the scenarios of a module, and golden files to compare with or to write again."""

import difflib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.crds import apply_crds
from builders.module_platform import module_platform
from builders.platform import Platform
from builders.stack import Stacks
from talkdesk_sandbox.controlplane import Cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(control_plane: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Run both programs for the tests of a module."""
    apply_crds(control_plane)
    # One worker, so that a trace has one order.
    async with module_platform(control_plane, request, WORKERS="1") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Create apps with Talkdesks of their own; the invariants are checked at the end of each."""
    return checked(programs)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name, or write it there with `--update-golden`."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / f"{name}.golden"
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        expected = path.read_text() if path.exists() else ""
        difference = difflib.unified_diff(expected.splitlines(), text.splitlines(), path.name, "now", lineterm="")
        assert text == expected, "\n" + "\n".join(difference)

    return compare
