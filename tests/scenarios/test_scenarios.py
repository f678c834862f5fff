"""Lives as traces: what is told, called and written, in which order. `--update-golden` writes them anew."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from builders.platform import Platform
from builders.stack import Stack, stack
from builders.stack_manifests import NAMESPACE
from builders.traces import trace
from talkdesk_sandbox.simulator.faults import Status

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Story:
    """A trace in chapters."""

    def __init__(self, told: Stack) -> None:
        self._told = told
        self._since = datetime.now(UTC)
        self.text = ""

    def chapter(self, title: str) -> None:
        """Add what has happened since the last chapter."""
        now = datetime.now(UTC)
        self.text += f"{'' if not self.text else chr(10)}== {title}\n{trace(self._told, self._since)}"
        self._since = now


async def test_install_uninstall_reinstall(programs: Platform, golden: Callable[[str], None]) -> None:
    async with stack(programs) as talkdesk:
        story = Story(talkdesk)
        acme = await talkdesk.install()
        await acme.converges("Active")
        story.chapter("a customer installs the app")
        await acme.uninstall()
        await acme.converges("Uninstalled")
        story.chapter("the customer uninstalls it")
        again = await acme.reinstall()
        await again.converges("Active")
        story.chapter("the customer installs it again")
    golden(story.text)


async def test_retention_ends(programs: Platform, golden: Callable[[str], None]) -> None:
    steps = [{"name": "all", "manifests": [NAMESPACE]}]
    async with stack(programs, retention={"keepFor": "2s"}, steps=steps) as talkdesk:
        acme = await talkdesk.install()
        await acme.converges("Active")
        story = Story(talkdesk)
        await acme.uninstall()
        await acme.converges("Uninstalled")
        story.chapter("the customer uninstalls the app")
        await acme.tenant_until(lambda obj: obj is None, "be purged")
        await acme.converges("Purged")
        story.chapter("two seconds later the retention ends")
    golden(_without_waiting(story.text))


async def test_an_answer_is_refused(programs: Platform, golden: Callable[[str], None]) -> None:
    async with stack(programs) as talkdesk:
        story = Story(talkdesk)
        number = talkdesk.simulator.faults.set(Status(route="POST /apps/*/state", status=403))
        acme = await talkdesk.install()
        await acme.until(lambda obj: obj.get("status", {}).get("retry"), "back off")
        await acme.kubernetes_event("Forbidden")
        story.chapter("Talkdesk refuses the answer for lack of a scope")
        talkdesk.simulator.faults.clear(number)
        await acme.skip_backoff()
        await acme.converges("Active")
        story.chapter("the scope is given")
    golden(story.text)


def _without_waiting(text: str) -> str:
    """Leave out how often the operator looked whether the namespace has gone: as often as that took."""
    looks = "operator  delete Namespace\n"
    first, _, rest = text.partition(looks)
    return first + looks + rest.replace(looks, "")
