"""A process or a connection may end before or after any write: the end is the same, and nothing happens twice.

Each story is told once without a crash. Then it is told again for each of its writes, with a crash before and after
that write, and another process that begins with nothing but what the API server and Talkdesk hold.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import pytest

from builders.journal import Crashed, When
from builders.objects import DAY, HOUR, INSTALLATION, NOON, credentials_object, trial_object
from builders.operator_in_memory import (
    NAMESPACE,
    SPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import ANNOTATION_RECONCILE
from talkdesk_operator.domain.installation.priority import Priority
from talkdesk_operator.domain.ports.talkdesk import (
    Subscription,
    TalkdeskForbidden,
    TalkdeskOutcomeUnknown,
    TalkdeskUnavailable,
)
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeUnreachable

Story: TypeAlias = Callable[[], Awaitable[OperatorInMemory]]
_UNLIKE = frozenset({"resourceVersion", "generation", "observedGeneration"})
"""Counts of writes: a story that is told in two parts may need one more."""
_ANSWER_TIMES = frozenset({"sendTime", "verificationTime", "resultTime", "observedState", "observedStateTime"})
"""How an answer is known to have arrived, which is another thing after a crash."""


async def install() -> OperatorInMemory:
    return OperatorInMemory(sentiment(), installed(meta={"finalizers": []}), credentials_secret())


async def _active(*objects: dict[str, Any]) -> OperatorInMemory:
    operator = OperatorInMemory(*objects)
    await operator.converge()
    operator.now += DAY
    return operator


async def update() -> OperatorInMemory:
    operator = await _active()
    operator.talkdesk.becomes("updating", operator.now)
    operator.talkdesk.company = "Acme Ltd."
    operator.asks("Update", event="e2")
    return operator


async def new_template() -> OperatorInMemory:
    """One object leaves the template, another comes."""
    operator = await _active()
    steps = sentiment()["spec"]["tenant"]["steps"]
    base, other = steps[0], steps[1] | {"name": "other"}
    other["manifests"] = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": SPACE}}]
    operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"steps": [base, other]}}})
    return operator


async def shorter_template() -> OperatorInMemory:
    """Two objects leave the template: one is deleted, the other may hold data."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
    made = {"name": "reader", "namespace": SPACE}
    steps = sentiment()["spec"]["tenant"]["steps"]
    longer = [*steps, {"name": "rights", "manifests": [role | {"metadata": made}]}]
    operator = await _active(sentiment(*longer), installed(), credentials_secret())
    operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"steps": steps[:1]}}})
    return operator


async def rotation() -> OperatorInMemory:
    operator = await _active()
    operator.server.put(credentials_secret("keys-2", client="client-2", event_time=NOON + DAY, key_id="k-2"))
    operator.talkdesk.clients.add("client-2")
    operator.talkdesk.rotating = "client-2"
    register = {"credentials": credentials_object("keys-2", at=NOON + DAY)}
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": register})
    return operator


async def uninstall() -> OperatorInMemory:
    operator = await _active()
    operator.talkdesk.becomes("uninstalling", operator.now)
    operator.asks("Uninstall", event="e2")
    return operator


async def end_of_retention() -> OperatorInMemory:
    operator = await uninstall()
    await operator.converge()
    operator.now += 90 * DAY
    return operator


async def deleted_object() -> OperatorInMemory:
    """Somebody deletes an object of the tenant, which is made again with another uid."""
    operator = await _active()
    operator.server.remove("ConfigMap", "account", SPACE)
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"annotations": {ANNOTATION_RECONCILE: "now"}}})
    return operator


async def deletion_by_hand() -> OperatorInMemory:
    operator = await _active(sentiment(), installed(deletionPolicy="Delete"), credentials_secret())
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    operator.change("TalkdeskInstallation", INSTALLATION, moment)
    return operator


def _plain(value: Any) -> Any:
    """Return what must be the same, however often the process ended."""
    if isinstance(value, dict):
        unlike = _UNLIKE | _ANSWER_TIMES
        return {key: _plain(each) for key, each in value.items() if key not in unlike}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    # Which of the two it is depends on who was asked, not on what happened.
    return Reason.APPROVED if value == Reason.ALREADY_ANSWERED else value


def world(operator: OperatorInMemory) -> dict[str, Any]:
    return {
        "objects": _plain(operator.server.objects),
        "talkdesk": operator.talkdesk.remote,
        "credentials": sorted(operator.talkdesk.clients),
    }


async def _crashed(beginning: OperatorInMemory, write: int, when: When) -> OperatorInMemory | None:
    """Tell the story with a crash; None when it has not so many writes."""
    operator = beginning.fork()
    operator.journal.crash_at(write, when)
    try:
        await operator.converge()
    except Crashed:
        operator.journal.crash = None
        operator.restart()
        await operator.converge(Cause.STARTUP)
        return operator
    return None


STORIES = [install, update, new_template, shorter_template, rotation, uninstall, deletion_by_hand, deleted_object]


def of_each(*stories: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("story", stories, ids=lambda story: story.__name__.replace("_", " "))


before_and_after = pytest.mark.parametrize("when", ["before", "after"])


@before_and_after
@of_each(*STORIES, end_of_retention)
async def test_a_crash_at_any_write_changes_neither_the_end_nor_what_talkdesk_was_sent(
    story: Story, when: When
) -> None:
    beginning = await story()
    straight = beginning.fork()
    await straight.converge()
    expected, sent = world(straight), straight.talkdesk.effects
    crashes = 0
    while (operator := await _crashed(beginning, crashes + 1, when)) is not None:
        crashes += 1
        if is_offboarding(operator):
            # Whether the acknowledgement arrived shows only in a refusal that lasts.
            operator.now += HOUR
            await operator.converge(Cause.RETRY)
            assert outline(operator) == outline(straight), operator.journal.lines
        else:
            assert world(operator) == expected, operator.journal.lines
        assert operator.talkdesk.effects == sent, operator.journal.lines
        operator.journal.clear()
        await operator.reconcile()
        assert operator.journal.writes == []
    assert crashes == len(straight.journal.writes)


@pytest.mark.case(81)
@of_each(*STORIES, end_of_retention)
async def test_a_write_of_a_former_leader_that_comes_late_changes_nothing_of_ours(story: Story) -> None:
    beginning = await story()
    writes = 0
    while True:
        operator, writes = beginning.fork(), writes + 1
        operator.journal.crash_at(writes, "before")
        with suppress(Crashed):
            await operator.converge()
            return
        operator.journal.crash = None
        late = operator.server.requests[-1]
        operator.restart()
        await operator.converge(Cause.STARTUP)
        expected = ours(operator)
        if "/talkdesk" not in late.path:
            continue
        with suppress(KubeError):
            await operator.server.repeat(late)
        assert ours(operator) == expected, (late.method, late.path)


def ours(operator: OperatorInMemory) -> dict[str, Any]:
    return {place: raw for place, raw in operator.server.objects.items() if place.startswith("talkdesk")}


def outline(operator: OperatorInMemory) -> dict[str, Any]:
    """Return the world without its times: an hour has passed since something failed."""
    kinds = ("TalkdeskInstallation", "TalkdeskTenant")
    readable = {
        f"{kind}/{raw['metadata']['name']}": (raw["status"].get("phase"), raw["status"].get("account"), ready(raw))
        for kind in kinds
        for raw in operator.server.all(kind)
    }
    others = {place: raw.get("data") for place, raw in operator.server.objects.items() if "/talkdesk" not in place}
    return {
        "ours": readable,
        "others": others,
        "talkdesk": operator.talkdesk.remote and operator.talkdesk.remote.state,
        "effects": operator.talkdesk.effects,
    }


def is_offboarding(operator: OperatorInMemory) -> bool:
    found = operator.server.find("TalkdeskInstallation", INSTALLATION)
    return found is not None and found["status"].get("phase") == InstallationPhase.OFFBOARDING


def ready(raw: dict[str, Any]) -> list[str]:
    return [condition["reason"] for condition in raw["status"]["conditions"] if condition["type"] == "Ready"]


async def _failed(beginning: OperatorInMemory, line: str, count: int, when: When) -> OperatorInMemory:
    """Tell the story with one lost connection, and an operator that tries again in the next hours and at the resync."""
    operator = beginning.fork()
    at_talkdesk = line.startswith(("ANSWER", "ACKNOWLEDGE"))
    error = TalkdeskOutcomeUnknown("cut") if at_talkdesk else KubeUnreachable("cut")
    operator.journal.fail(re.escape(line), error, when, skip=count)
    with suppress(KubeUnreachable):
        await operator.converge()
    for _ in range(2):  # a refusal that proves an acknowledgement must be seen to last
        operator.now += HOUR
        await operator.converge(Cause.RETRY)
    return operator


@before_and_after
@of_each(*STORIES, end_of_retention)
async def test_a_lost_connection_at_any_write_changes_neither_the_end_nor_what_talkdesk_was_sent(
    story: Story, when: When
) -> None:
    beginning = await story()
    straight = beginning.fork()
    await straight.converge()
    writes = straight.journal.writes
    expected = outline(straight)
    for number, line in enumerate(writes):
        operator = await _failed(beginning, line, writes[:number].count(line), when)
        assert outline(operator) == expected, operator.journal.lines


async def upgrade() -> OperatorInMemory:
    """The customer pays before the trial ends; only Talkdesk's lists show the new plan."""
    trial = {"plan": "${subscription.type}"}
    step = {"name": "base", "manifests": [NAMESPACE, config_map("account", data=trial)]}
    operator = OperatorInMemory(sentiment(step), installed(), credentials_secret())
    operator.talkdesk.plan = Subscription("trial", "universal", "Trial", 5)
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.plan = Subscription("paid", "universal", "Gold", 5)
    ended = trial_object("Ended", at=operator.now, endedReason="plan_upgraded")
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"trial": ended}})
    return operator


async def bigger_plan() -> OperatorInMemory:
    """An update asks for another plan, which Talkdesk shows only after the approval."""
    step = {"name": "base", "manifests": [NAMESPACE, config_map("account", data={"plan": "${subscription.name}"})]}
    operator = await _active(sentiment(step), installed(), credentials_secret())
    operator.talkdesk.plan_after = Subscription("paid", "universal", "Platinum", 9)
    operator.talkdesk.becomes("updating")
    operator.asks("Update", event="e2")
    return operator


async def request_by_a_person() -> OperatorInMemory:
    operator = await _active()
    operator.talkdesk.company = "Acme Ltd."
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"annotations": {ANNOTATION_RECONCILE: "now"}}})
    return operator


async def _until_nothing_is_due(operator: OperatorInMemory) -> None:
    """Reconcile as the queue would: only when something asked for it, and without the periodic resync."""
    result = await operator.converge()
    for _ in range(6):
        if not result.error and all(each.priority is Priority.RESYNC for each in result.next):
            return
        operator.now += HOUR
        result = await operator.converge(Cause.RETRY)


@pytest.mark.case(79)
@of_each(*STORIES, end_of_retention, upgrade, bigger_plan, request_by_a_person)
async def test_what_failed_once_stays_due_and_is_made_good_without_the_resync(story: Story) -> None:
    beginning = await story()
    straight = beginning.fork()
    await _until_nothing_is_due(straight)
    expected, lines = outline(straight), straight.journal.lines
    for number, line in enumerate(lines):
        for error in errors_at(line):
            when: When = "after" if isinstance(error, TalkdeskOutcomeUnknown) else "before"
            operator = beginning.fork()
            operator.journal.fail(re.escape(line), error, when, skip=lines[:number].count(line))
            await _until_nothing_is_due(operator)
            assert outline(operator) == expected, (number, line, type(error).__name__, operator.journal.lines)


def errors_at(line: str) -> tuple[Exception, ...]:
    if line.startswith("ASK"):
        return TalkdeskUnavailable("down"), TalkdeskForbidden("no")
    if line.startswith(("ANSWER", "ACKNOWLEDGE")):
        return TalkdeskUnavailable("down"), TalkdeskOutcomeUnknown("cut")
    return () if "events/" in line or line.startswith("GET /api") else (KubeUnreachable("cut"), KubeForbidden("no"))
