"""Traces of events, calls and writes in their order, as golden files have them; `--update-golden` writes them again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from builders.platform import Platform
from builders.serving import until
from builders.stack import Stack, stack
from builders.stack_manifests import NAMESPACE
from builders.traces import trace
from talkdesk_sandbox.simulator.faults import Status

pytestmark = pytest.mark.asyncio(loop_scope="module")


AGAIN = """\
operator  reads account, installation, subscription
operator  apply Secret talkdesk
operator  answers Talkdesk: no effect → 403
operator  reads installation
operator  status TalkdeskInstallation: unchanged
"""
"""What one more reconcile does when the event of the tenant's status overtakes the answer to its write: seldom on a
quiet machine (`informer.cache`)."""


class Story:
    """A trace in chapters."""

    def __init__(self, talkdesk: Stack) -> None:
        self._stack = talkdesk
        self._since = datetime.now(UTC)
        self.text = ""

    def chapter(self, title: str) -> None:
        """Add what has happened since the last chapter."""
        now = datetime.now(UTC)
        self.text += f"{'' if not self.text else chr(10)}== {title}\n{trace(self._stack, self._since)}"
        self._since = now


async def test_an_install_an_uninstall_and_a_reinstall_make_these_calls_in_this_order(
    programs: Platform, golden: Callable[[str, str], None]
) -> None:
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
    golden("install_uninstall_reinstall", story.text)


async def test_the_end_of_the_retention_makes_these_calls_in_this_order(
    programs: Platform, golden: Callable[[str, str], None]
) -> None:
    steps = [{"name": "all", "manifests": [NAMESPACE]}]
    async with stack(programs, retention={"keepFor": "5s"}, steps=steps) as talkdesk:
        acme = await talkdesk.install()
        await acme.converges("Active")
        story = Story(talkdesk)
        await acme.uninstall()
        await acme.converges("Uninstalled")
        story.chapter("the customer uninstalls the app")
        await acme.tenant_until(lambda obj: obj is None, "be purged")
        await acme.converges("Purged")
        story.chapter("five seconds later the retention ends")
    golden("retention_ends", _without_polling(story.text))


async def test_a_refused_answer_is_sent_again_when_the_scope_is_granted(
    programs: Platform, golden: Callable[[str, str], None]
) -> None:
    async with stack(programs) as talkdesk:
        story = Story(talkdesk)
        number = talkdesk.simulator.faults.set(Status(route="POST /apps/*/state", status=403))
        acme = await talkdesk.install()
        await acme.backs_off()
        await acme.kubernetes_event("Forbidden")
        await _quiet(talkdesk)
        story.chapter("Talkdesk refuses the answer because a scope is missing")
        story.text = story.text.replace(AGAIN, "")
        talkdesk.simulator.faults.clear(number)
        await acme.skip_backoff()
        await acme.converges("Active")
        story.chapter("the scope is granted")
    golden("an_answer_is_refused", story.text)


def _without_polling(text: str) -> str:
    """Leave out how often the operator looks whether the namespace has gone: that depends on time."""
    line = "operator  delete Namespace\n"
    first, _, rest = text.partition(line)
    once = [each for each, _ in groupby((first + line + rest.replace(line, "")).splitlines(keepends=True))]
    return "".join(once)


async def _quiet(talkdesk: Stack) -> None:
    """Wait until the operator has taken in what it wrote itself: an edit in the middle of that is work done twice."""
    calls = talkdesk.platform.gates["operator"].calls

    def quiet() -> bool:
        last = max(call.at for call in calls if talkdesk.app in call.path)
        return datetime.now(UTC) - last > timedelta(seconds=1)

    await until(quiet)
