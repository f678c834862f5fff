"""Answers whose outcome was lost or refused: nothing is taken for answered, sent again or deleted without proof."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from builders.journal import Crashed
from builders.objects import DAY, HOUR, NOON
from builders.operator_in_memory import OperatorInMemory
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.ports.talkdesk import (
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskUnauthorized,
    TalkdeskUnavailable,
)
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(72)

MINUTE = timedelta(minutes=1)
NOT_DELIVERED: dict[str, TalkdeskError] = {
    "connection refused": TalkdeskUnavailable("no connection"),
    "reset before bytes": TalkdeskUnavailable("the connection was cut"),
    "401": TalkdeskUnauthorized("401"),
    "403": TalkdeskForbidden("403"),
    "404": TalkdeskNotFound("404"),
    "409": TalkdeskConflict("409"),
    "422": TalkdeskRefused("422"),
    "429": TalkdeskRateLimited("429", retry_after=timedelta(seconds=5)),
}
LOST: dict[str, TalkdeskError] = {
    "reset after bytes": TalkdeskOutcomeUnknown("the connection was cut"),
    "500": TalkdeskOutcomeUnknown("500"),
    "503": TalkdeskOutcomeUnknown("503", retry_after=timedelta(seconds=5)),
    "504": TalkdeskOutcomeUnknown("504"),
    "time-out": TalkdeskOutcomeUnknown("no answer in time"),
    "malformed 200": TalkdeskOutcomeUnknown("the answer is not JSON"),
    "redirect": TalkdeskRedirected("303"),
}
FOLLOWING: dict[str, TalkdeskError | None] = {
    "fine": None,
    "401": TalkdeskUnauthorized("401"),
    "403": TalkdeskForbidden("403"),
    "404": TalkdeskNotFound("404"),
    "down": TalkdeskUnavailable("503"),
}
PASSING = {"fine": timedelta(), "401": 20 * MINUTE, "403": 20 * MINUTE, "404": timedelta(seconds=40), "down": HOUR}
"""How long the trouble lasts after a call without effect."""


async def live(operator: OperatorInMemory, span: timedelta, watch: Callable[[], None] = lambda: None) -> None:
    """Let time pass, with a reconcile whenever the last one asked for it."""
    ends, cause = operator.now + span, Cause.WATCH
    while operator.now <= ends:
        result = await operator.reconcile(cause)
        watch()
        waits = [each.after for each in result.next]
        operator.now += max(min(waits, default=span), timedelta(milliseconds=1))
        cause = Cause.RETRY


async def leaving() -> OperatorInMemory:
    """A customer who is installed and asks for the uninstall."""
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += HOUR
    operator.talkdesk.becomes("uninstalling", operator.now)
    operator.asks("Uninstall", event="event-2")
    operator.talkdesk.effects.clear()
    return operator


def is_kept(operator: OperatorInMemory) -> None:
    assert operator.installation.status.phase is InstallationPhase.OFFBOARDING
    assert operator.installation.status.ending is None
    assert operator.server.find("Secret", "keys-1") is not None


@pytest.mark.parametrize("following", FOLLOWING)
@pytest.mark.parametrize("outcome", [*NOT_DELIVERED, *LOST])
async def test_an_uninstall_that_was_sent_without_effect_is_not_taken_for_answered(
    outcome: str, following: str
) -> None:
    operator, trouble = await leaving(), FOLLOWING[following]

    def begin() -> None:
        if trouble is not None:
            operator.journal.fail("ASK .*", trouble, count=-1)

    operator.journal.on("ANSWER Approve", begin)
    operator.journal.fail("ANSWER Approve", (NOT_DELIVERED | LOST)[outcome])
    await live(operator, PASSING[following], lambda: is_kept(operator))
    operator.journal.faults.clear()
    await live(operator, 3 * HOUR)
    assert operator.talkdesk.effects == ["Approve uninstalling"]
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    assert operator.server.find("Secret", "keys-1") is None


@pytest.mark.parametrize("following", [each for each in FOLLOWING if each != "fine"])
@pytest.mark.parametrize("outcome", LOST)
async def test_an_uninstall_whose_answer_arrived_though_its_outcome_was_lost_ends_once_that_is_proven(
    outcome: str, following: str
) -> None:
    operator, trouble = await leaving(), FOLLOWING[following]
    assert trouble is not None
    operator.journal.on("ANSWER Approve", lambda: operator.journal.fail("ASK .*", trouble, count=3), "after")
    operator.journal.fail("ANSWER Approve", LOST[outcome], "after")
    await live(operator, timedelta(seconds=30), lambda: is_kept(operator))
    await live(operator, 5 * HOUR)
    assert operator.talkdesk.effects == ["Approve uninstalling"]
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    assert operator.server.find("Secret", "keys-1") is None


# Updates and installs: what waits may be something else by then.


async def updating() -> OperatorInMemory:
    """A customer who is installed and asks for an update."""
    operator = OperatorInMemory()
    await operator.converge()
    operator.now += HOUR
    operator.talkdesk.becomes("updating", operator.now)
    operator.asks("Update", event="event-2")
    operator.talkdesk.effects.clear()
    return operator


WORDS: dict[str, dict[str, str]] = {
    "named": {},
    "unnamed": {"updating": "pending", "uninstalling": "pending"},
    "not shown": {"updating": "completed", "uninstalling": "completed"},
}
"""How Talkdesk may show what waits."""


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("outcome", [*NOT_DELIVERED, *LOST])
async def test_an_update_that_was_sent_without_effect_is_sent_again_once_talkdesks_state_gives_a_reason(
    outcome: str, words: str
) -> None:
    operator = await updating()
    operator.talkdesk.words = WORDS[words]
    operator.journal.fail("ANSWER Approve", (NOT_DELIVERED | LOST)[outcome])
    await live(operator, HOUR)
    if words == "not shown" and outcome in {"403", "404", "409"}:
        # Talkdesk says that nothing waits, in its state and in its answer.
        assert operator.reason() == "True/Succeeded"
    else:
        assert operator.talkdesk.effects == ["Approve updating"]
        assert operator.reason() == "True/Succeeded"


@pytest.mark.parametrize("words", ["named", "unnamed"])
@pytest.mark.parametrize("outcome", [*LOST, "crash"])
@pytest.mark.parametrize("delay", [1.0, 90.0])
async def test_an_update_whose_answer_arrived_is_not_sent_again_for_an_uninstall_whose_event_is_on_its_way(
    outcome: str, words: str, delay: float
) -> None:
    operator = await updating()
    operator.talkdesk.words = WORDS[words]

    def uninstalls() -> None:
        operator.talkdesk.becomes("uninstalling", operator.now + timedelta(seconds=delay))

    operator.journal.on("ANSWER Approve", uninstalls, "after")
    operator.journal.fail("ANSWER Approve", Crashed() if outcome == "crash" else LOST[outcome], "after")
    with suppress(Crashed):
        await operator.converge()
    if outcome == "crash":
        operator.restart()
    await live(operator, 10 * MINUTE)
    if words == "named":
        # Talkdesk names what waits: it is recorded, the tenant offboarded, and then acknowledged.
        assert operator.talkdesk.effects == ["Approve updating", "Approve uninstalling"]
        assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    else:
        assert operator.talkdesk.effects == ["Approve updating"]
        assert operator.reason("Answered") == "Unknown/AnswerUnclear"
    operator.asks("Uninstall", event="event-3", at=operator.now)
    await live(operator, 3 * HOUR)
    assert operator.talkdesk.effects[-1] == "Approve uninstalling"
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED


@pytest.mark.parametrize("words", ["named", "unnamed"])
@pytest.mark.parametrize("event_comes", [True, False])
async def test_an_unanswered_install_is_never_approved_in_place_of_an_uninstall_whose_event_was_lost(
    words: str, *, event_comes: bool
) -> None:
    operator = OperatorInMemory()
    operator.talkdesk.words = WORDS[words]
    operator.now += HOUR
    operator.talkdesk.becomes("uninstalling", operator.now - 30 * MINUTE)
    await live(operator, HOUR)
    assert operator.talkdesk.effects == ([] if words == "unnamed" else ["Approve uninstalling"])
    assert operator.installation.status.phase is not InstallationPhase.ACTIVE
    if words == "unnamed" and event_comes:
        assert operator.reason("Answered") == "Unknown/AnswerUnclear"
        operator.asks("Uninstall", event="event-2", at=operator.now)
        await live(operator, HOUR)
        assert operator.talkdesk.effects == ["Approve uninstalling"]
        assert operator.installation.status.phase is InstallationPhase.UNINSTALLED


@pytest.mark.case(27)
async def test_a_requested_pause_does_not_skip_the_deadline() -> None:
    operator = OperatorInMemory()
    deadline = NOON + 7 * DAY
    operator.now = deadline - timedelta(seconds=90)
    asked = TalkdeskRateLimited("429", retry_after=10 * MINUTE)
    operator.journal.fail("ANSWER Approve", asked)
    await operator.reconcile()
    retry = operator.installation.status.retry
    assert retry is not None
    assert retry.next_attempt_time == deadline - timedelta(seconds=30)
    operator.now = retry.next_attempt_time
    await operator.reconcile(Cause.RETRY)
    assert operator.talkdesk.effects == ["Approve installing"]
    assert operator.talkdesk.accesses[-1].last_attempt


async def test_a_request_that_comes_while_an_answer_is_put_on_record_is_not_answered_by_it() -> None:
    world = OperatorInMemory()
    await world.converge()
    world.talkdesk.becomes("updating", world.now)
    world.asks("Update", event="event-2")

    def uninstall() -> None:
        world.now += timedelta(minutes=1)
        world.talkdesk.becomes("uninstalling", world.now)
        world.asks("Uninstall", event="event-3")
        world.watch()

    world.journal.clear()
    world.journal.on("PATCH talkdeskinstallations/sentiment-i1/status", uninstall)
    result = await world.reconcile()
    assert result.conflict
    assert not [line for line in world.journal.lines if line.startswith("ANSWER")]
    await world.converge()
    writes = world.journal.writes
    assert writes.index("DELETE secrets/td-acc1/keys") < writes.index("ANSWER Approve")
