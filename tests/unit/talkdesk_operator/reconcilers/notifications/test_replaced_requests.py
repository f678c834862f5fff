"""A request that another one replaces before its answer is recorded: the register holds only the newest."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from builders.journal import Crashed
from builders.notified import NotifiedOperator, play
from builders.objects import INSTALLATION
from builders.operator_in_memory import OperatorInMemory
from talkdesk_operator.workqueue.contract import Cause

SECOND = timedelta(seconds=1)
STATUS = f"PATCH talkdeskinstallations/{INSTALLATION}/status"


def told(operator: NotifiedOperator) -> Sequence[tuple[str, str | None]]:
    """Return types and requests of what arrived, in order."""
    arrived = [event for _, event in operator.endpoints.arrived]
    return [(event.type.rpartition(".")[2], event.data["request"]["eventId"]) for event in arrived]


async def ends_with_the_answer_at_talkdesk(operator: NotifiedOperator) -> None:
    """Let the process end right after Talkdesk has the answer, and the customer ask for more before the next begins."""
    operator.journal.fail("ANSWER Approve", Crashed(), "after")
    with suppress(Crashed):
        await operator.converge()
    await operator.kill()


def test_an_install_is_told_although_an_update_replaced_it_before_its_answer_was_recorded() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await ends_with_the_answer_at_talkdesk(operator)
        operator.talkdesk.becomes("updating")
        operator.asks("Update", event="e2")
        await operator.converge(Cause.STARTUP)
        await operator.passes(SECOND)
        assert told(operator) == [("Installed", "event-1"), ("Updated", "e2"), ("Approved", "e2")]
        first = operator.endpoints.arrived[0][1].data
        assert first["account"]["companyName"], "facts are read before"
        assert first["subscription"]["name"]

    play(main)


def test_an_update_is_told_although_another_one_replaced_it_before_its_answer_was_recorded() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(SECOND)
        operator.talkdesk.becomes("updating")
        operator.asks("Update", event="e2")
        await ends_with_the_answer_at_talkdesk(operator)
        operator.talkdesk.becomes("updating")
        operator.asks("Update", event="e3")
        await operator.converge(Cause.STARTUP)
        await operator.passes(SECOND)
        updates = [("Updated", "e2"), ("Updated", "e3"), ("Approved", "e3")]
        assert told(operator) == [("Installed", "event-1"), ("Approved", "event-1"), *updates]

    play(main)


def test_an_answer_is_told_although_the_next_request_came_while_it_was_recorded() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.talkdesk.becomes("updating")
        operator.asks("Update", event="e2")

        def again() -> None:
            operator.talkdesk.becomes("updating")
            operator.asks("Update", event="e3")
            operator.watch()

        operator.journal.on("ANSWER Approve", again, "after")
        await operator.converge()
        await operator.passes(SECOND)
        updates = [(kind, event) for event in ("e2", "e3") for kind in ("Updated", "Approved")]
        assert told(operator) == [("Installed", "event-1"), ("Approved", "event-1"), *updates]

    play(main)


def test_only_an_app_with_endpoints_has_the_answer_to_an_install_on_record_before_its_call() -> None:
    async def main(operator: OperatorInMemory) -> int:
        await operator.converge()
        assert operator.reason() == "True/Succeeded"
        return operator.journal.writes.count(STATUS)

    assert play(main) == 2
    assert asyncio.run(main(OperatorInMemory())) == 1
