"""What is told in the course of a customer's life: each thing once, whatever came before, wherever a process ended.

A request is told before its answer is sent, while the status still speaks of what was before.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from builders.journal import Crashed, When
from builders.notified import NotifiedOperator, play
from builders.objects import DAY, INSTALLATION
from builders.operator_in_memory import credentials_secret
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import EndingReason, InstallationPhase
from talkdesk_crds.notifications import MAX_PENDING
from talkdesk_operator.domain.ports.hooks import Answer, Reply
from talkdesk_operator.domain.ports.notifications import CloudEventDraft
from talkdesk_operator.workqueue.contract import Cause

SECOND = timedelta(seconds=1)
Course = Callable[[NotifiedOperator], AsyncIterator[None]]


def told(operator: NotifiedOperator) -> list[tuple[str, str | None]]:
    """Return types and requests of what arrived, in order, each once; repetitions are equal."""
    first: dict[str, CloudEventDraft] = {}
    for _, event in operator.endpoints.arrived:
        assert first.setdefault(event.id, event) == event
    assert [event.sequence for event in first.values()] == sorted(event.sequence for event in first.values())
    return [(event.type.rpartition(".")[2], event.data["request"]["eventId"]) for event in first.values()]


async def settles(operator: NotifiedOperator, *causes: Cause) -> None:
    for _ in range(2):
        await operator.converge(*causes)
        await operator.passes(SECOND)


def asks(operator: NotifiedOperator, kind: str, event: str, state: str) -> None:
    operator.talkdesk.becomes(state, operator._now())
    operator.asks(kind, event=event, at=operator._now())


def installs_again(operator: NotifiedOperator) -> None:
    moment = operator._now()
    operator.talkdesk.clients = {"client-1"}
    operator.server.put(credentials_secret("keys-3", event_time=moment))
    register = {"secretName": "keys-3", "eventId": "e3", "eventTime": to_wire_time(moment)}
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"accountName": "acme", "credentials": register}})
    asks(operator, "Install", "e3", "installing")


def is_deleted(operator: NotifiedOperator) -> None:
    deleted = {"metadata": {"deletionTimestamp": to_wire_time(operator._now())}, "spec": {"deletionPolicy": "Delete"}}
    operator.change("TalkdeskInstallation", INSTALLATION, deleted)


async def leaves_and_returns(operator: NotifiedOperator) -> AsyncIterator[None]:
    yield
    asks(operator, "Uninstall", "e2", "uninstalling")
    yield
    await operator.passes(91 * DAY)
    yield
    installs_again(operator)
    yield


async def is_purged_by_a_deletion(operator: NotifiedOperator) -> AsyncIterator[None]:
    yield
    is_deleted(operator)
    yield


LEFT = [("Installed", "event-1"), ("Approved", "event-1"), ("Uninstalled", "e2"), ("Purged", "e2")]
RETURNED = [*LEFT, ("Installed", "e3"), ("Approved", "e3")]


async def lives(operator: NotifiedOperator, course: Course) -> None:
    """Go through a course; where the process ends, another one goes on."""
    async for _ in course(operator):
        for _ in range(2):
            with suppress(Crashed):
                await settles(operator)
            if operator.journal.crash is not None and operator.journal.crash[0] <= operator.journal._written:
                operator.journal.crash = None
                await operator.kill()


def test_of_a_customer_who_returns_no_purge_is_told_a_second_time() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await lives(operator, leaves_and_returns)
        assert told(operator) == RETURNED
        installed = next(event for _, event in operator.endpoints.arrived if event.data["request"]["eventId"] == "e3")
        assert (installed.data["phase"], installed.data["message"]) == ("Answering", None)
        assert installed.data["deadline"] is not None

    play(main)


def test_each_purge_has_an_id_of_its_own() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await lives(operator, leaves_and_returns)
        is_deleted(operator)
        await settles(operator)
        assert told(operator) == [*RETURNED, ("Purged", "e3")]

    play(main)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("course", "expected"),
    [
        (leaves_and_returns, RETURNED),
        (is_purged_by_a_deletion, [("Installed", "event-1"), ("Approved", "event-1"), ("Purged", "event-1")]),
    ],
)
def test_everything_is_told_in_the_same_words_wherever_the_process_ends(
    course: Course, expected: list[tuple[str, str]], when: When
) -> None:
    written = 0

    async def whole(operator: NotifiedOperator) -> int:
        operator.journal.crash_at(10**6, "before")
        await lives(operator, course)
        return operator.journal._written

    async def interrupted(operator: NotifiedOperator) -> None:
        operator.journal.crash_at(written, when)
        await lives(operator, course)
        assert told(operator) == expected, f"{when} write {written}"

    for number in range(play(whole)):
        written = number + 1
        play(interrupted)


def test_the_deadline_of_a_request_that_was_replaced_is_not_told_of_the_next() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await settles(operator)
        deadline = {"answerWithin": "7d", "warnBefore": ["3d"]}
        operator.change("TalkdeskApp", "sentiment", {"spec": {"approval": {"mode": "Manual"}, "deadline": deadline}})
        asks(operator, "Update", "e2", "updating")
        await settles(operator)
        await operator.passes(5 * DAY)
        await settles(operator)
        operator.change("TalkdeskApp", "sentiment", {"spec": {"approval": {"mode": "Auto"}}})
        asks(operator, "Update", "e3", "updating")
        await settles(operator)
        assert told(operator)[2:] == [
            ("Updated", "e2"),
            ("Stuck", "e2"),
            ("DeadlineNear", "e2"),
            ("Updated", "e3"),
            ("Approved", "e3"),
        ]

    play(main)


def test_each_request_that_waits_for_a_person_is_told() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await settles(operator)
        operator.change("TalkdeskApp", "sentiment", {"spec": {"approval": {"mode": "Manual"}}})
        for event in ("e2", "e3"):
            asks(operator, "Update", event, "updating")
            await settles(operator)
        assert told(operator)[2:] == [("Updated", "e2"), ("Stuck", "e2"), ("Updated", "e3"), ("Stuck", "e3")]

    play(main)


def test_the_end_after_an_update_that_was_not_answered_in_time_is_told() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await settles(operator)
        asks(operator, "Update", "e2", "timeout")
        await settles(operator)
        assert operator.installation.status.phase is InstallationPhase.ACTIVE
        operator.talkdesk.remote = None
        for _ in range(2):
            await operator.passes(DAY)
            await settles(operator, Cause.RESYNC)
        ending = operator.installation.status.ending
        assert ending is not None
        assert (ending.reason, ending.event_id) == (EndingReason.GONE, "e2")
        assert told(operator)[2:] == [("Updated", "e2"), ("TimedOut", "e2"), ("Uninstalled", "e2")]

    play(main)


def test_an_outbox_that_is_full_keeps_no_answer_from_being_sent() -> None:
    async def main(operator: NotifiedOperator) -> None:
        async def down(_: str, __: CloudEventDraft) -> Answer:
            return Reply(503, {})

        operator.endpoints.mood = down
        await settles(operator)
        for number in range(MAX_PENDING // 2 + 1):
            asks(operator, "Update", f"u{number}", "updating")
            await settles(operator)
            answer = operator.installation.status.answer
            assert answer is not None
            assert answer.event_id == f"u{number}", operator.reason()
        outbox = operator.installation.status.notifications
        assert outbox is not None
        assert len(outbox.pending) == MAX_PENDING
        assert [each.given_up for each in outbox.endpoints] == [4]

    play(main)
