"""Deliveries: in order, at least once, beside all reconciles."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from builders.journal import When
from builders.notified import GOOD, NotifiedOperator, keys_secret, play
from builders.objects import INSTALLATION, endpoint_object
from builders.operator_in_memory import KEY, credentials_secret, installed, sentiment
from talkdesk_crds.conditions import ConditionType, find
from talkdesk_crds.notifications import EndpointStatus, NotificationsStatus
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.hooks import Answer, Reply, Unanswered
from talkdesk_operator.domain.ports.notifications import CloudEventDraft
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeUnreachable

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DOWN = Reply(503, {})
STATUS = f"PATCH talkdeskinstallations/{INSTALLATION}/status"


def world(*endpoints: dict[str, Any], keys: bool = True) -> list[dict[str, Any]]:
    secrets = [keys_secret()] if keys else []
    return [sentiment(notifications=list(endpoints)), installed(), credentials_secret(), *secrets]


def outbox(operator: NotifiedOperator) -> NotificationsStatus:
    found = operator.installation.status.notifications
    assert found is not None
    return found


def state(operator: NotifiedOperator, name: str = "default") -> EndpointStatus:
    return next((each for each in outbox(operator).endpoints if each.name == name), EndpointStatus(name=name))


class Answers:
    """Answers each attempt with the next of these, and 204 afterwards."""

    def __init__(self, *answers: Answer) -> None:
        self.left = list(answers)

    async def __call__(self, _: str, __: CloudEventDraft) -> Answer:
        return self.left.pop(0) if self.left else GOOD


def test_what_happens_is_told_in_order_and_the_status_says_nothing_more_of_it() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(SECOND)
        assert operator.endpoints.types() == ["Installed", "Approved"]
        first, second = (event.sequence for _, event in operator.endpoints.arrived)
        assert second == first + 1
        assert outbox(operator).pending == ()
        operator.journal.clear()
        await operator.converge(Cause.STARTUP)
        await operator.passes(DAY)
        assert operator.journal.writes == []
        assert len(operator.endpoints.arrived) == 2

    play(main)


def test_both_are_told_with_one_write_beside_that_of_the_reconcile() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.journal.clear()
        await operator.passes(SECOND)
        assert operator.journal.writes == [f"PATCH talkdeskinstallations/{INSTALLATION}/status"]

    play(main)


def test_nothing_overtakes_what_the_endpoint_did_not_take() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = Answers(DOWN, Unanswered("no answer in time", sent=True))
        await operator.converge()
        await operator.passes(MINUTE)
        assert operator.endpoints.types() == ["Installed", "Installed", "Installed", "Approved"]
        assert len({event.id for _, event in operator.endpoints.arrived[:3]}) == 1
        assert outbox(operator).pending == ()

    play(main)


def test_the_back_off_stands_in_the_status_and_outlives_a_restart() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = Answers(DOWN, DOWN, DOWN)
        await operator.converge()
        await operator.passes(timedelta(seconds=16))  # at 0, 5 and 15
        assert (len(operator.endpoints.arrived), state(operator).attempts) == (3, 3)
        assert state(operator).message == "it answers 503"
        await operator.kill()
        await operator.converge(Cause.STARTUP)
        await operator.passes(timedelta(seconds=18))
        assert len(operator.endpoints.arrived) == 3
        await operator.passes(timedelta(seconds=2))
        assert operator.endpoints.types()[3:] == ["Installed", "Approved"]
        assert outbox(operator).endpoints == ()

    play(main)


def test_a_process_that_ends_before_the_record_tells_it_again_with_the_same_id_and_words() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.journal.fail(STATUS, KubeUnreachable("away"), count=2)
        await operator.passes(SECOND)
        assert len(operator.endpoints.arrived) == 2
        await operator.kill()
        operator.journal.faults.clear()
        await operator.converge(Cause.STARTUP)
        await operator.passes(SECOND)
        first, again = operator.endpoints.arrived[:2], operator.endpoints.arrived[2:]
        assert first == again
        assert outbox(operator).pending == ()

    play(main)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_that_fails_is_made_again_and_nothing_is_sent_meanwhile(when: When) -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.journal.fail(STATUS, KubeUnreachable("away"), when, count=3)
        await operator.passes(MINUTE)
        assert operator.endpoints.types() == ["Installed", "Approved"]
        assert outbox(operator).pending == ()

    play(main)


def test_an_endpoint_that_hangs_holds_up_no_reconcile_and_no_other_endpoint() -> None:
    async def main(operator: NotifiedOperator) -> None:
        hangs = asyncio.Event()

        async def mood(name: str, _: CloudEventDraft) -> Answer:
            if name == "one":
                await hangs.wait()
            return GOOD

        operator.endpoints.mood = mood
        await operator.converge()
        assert operator.reason() == "True/Succeeded"
        await operator.passes(SECOND)
        assert operator.endpoints.types("two") == ["Installed", "Approved"]
        operator.asks("Update", event="e2")
        operator.talkdesk.becomes("updating")
        await operator.converge()
        assert operator.reason() == "True/Succeeded"
        await operator.passes(SECOND)
        assert operator.endpoints.types("two")[2:] == ["Updated", "Approved"]
        hangs.set()
        await operator.passes(SECOND)
        assert operator.endpoints.types("one") == operator.endpoints.types("two")
        assert outbox(operator).pending == ()

    play(main, *world(endpoint_object("one"), endpoint_object("two")))


def test_no_delivery_is_recorded_while_the_account_is_reconciled() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        turn = operator.installations.notifier.turns.of(KEY)
        operator.journal.clear()
        async with turn:
            await operator.passes(MINUTE)
            assert operator.endpoints.types() == ["Installed", "Approved"]
            assert operator.journal.writes == []
        await operator.passes(SECOND)
        assert outbox(operator).pending == ()

    play(main)


def test_a_reconcile_records_what_was_delivered_before_it() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        turn = operator.installations.notifier.turns.of(KEY)
        await turn.acquire()
        await operator.passes(SECOND)
        operator.asks("Update", event="e2")
        operator.talkdesk.becomes("updating")
        turn.release()
        await operator.converge()
        await operator.passes(SECOND)
        assert operator.endpoints.types() == ["Installed", "Approved", "Updated", "Approved"]
        assert outbox(operator).pending == ()

    play(main)


def test_somebody_elses_write_meanwhile_loses_no_record() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        operator.change("TalkdeskInstallation", INSTALLATION, {"status": {"talkdeskState": "odd"}})
        await operator.passes(SECOND)
        assert outbox(operator).pending == ()
        assert operator.installation.status.talkdesk_state == "odd"
        assert operator.endpoints.types() == ["Installed", "Approved"]

    play(main)


def test_an_endpoint_that_keeps_failing_is_left_alone_and_costs_no_write() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.holding.add("default")
        await operator.converge()
        operator.journal.clear()
        await operator.passes(timedelta(hours=1))
        assert (operator.endpoints.arrived, operator.journal.writes) == ([], [])
        operator.endpoints.holding.clear()
        await operator.passes(2 * MINUTE)
        assert operator.endpoints.types() == ["Installed", "Approved"]

    play(main)


def test_what_is_held_for_a_day_is_said_all_the_same() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.holding.add("default")
        await operator.converge()
        await operator.passes(DAY + MINUTE)
        assert operator.reason("NotificationsOverdue") == "True/NotificationRefused"
        events = [raw["reason"] for raw in operator.server.all("Event")]
        assert events.count("NotificationRefused") == 1
        operator.endpoints.holding.clear()
        await operator.passes(2 * MINUTE)
        assert find(operator.installation.status.conditions, ConditionType.NOTIFICATIONS_OVERDUE) is None

    play(main)


def test_what_is_given_up_is_an_event_and_the_next_is_told() -> None:
    async def main(operator: NotifiedOperator) -> None:
        async def mood(_: str, event: CloudEventDraft) -> Answer:
            return GOOD if event.type.endswith("Updated") else Reply(400, {})

        operator.endpoints.mood = mood
        await operator.converge()
        await operator.passes(timedelta(minutes=30))
        operator.asks("Update", event="e2")
        await operator.reconcile()
        await operator.passes(timedelta(hours=1))
        reasons = [raw["reason"] for raw in operator.server.all("Event")]
        assert reasons.count("NotificationGivenUp") == 1
        assert state(operator).given_up == 2
        assert "Updated" in operator.endpoints.types()

    play(main, *world(endpoint_object(giveUpAfter="1h", events=["Installed", "Approved", "Updated"])))


def test_an_edit_of_the_endpoint_is_tried_at_once() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = Answers(*[DOWN] * 10)
        await operator.converge()
        await operator.passes(timedelta(minutes=60))
        before = len(operator.endpoints.arrived)
        operator.endpoints.mood = Answers()
        mended = endpoint_object(url="https://new.example.com/events")
        operator.change("TalkdeskApp", "sentiment", {"spec": {"notifications": [mended]}})
        await operator.reconcile(key=AccountKey.of_app("team", "sentiment"))
        await operator.passes(SECOND)
        assert operator.endpoints.types()[before:] == ["Installed", "Approved"]
        assert operator.endpoints.urls[-1] == "https://new.example.com/events"

    play(main)


def test_an_endpoint_that_is_taken_out_is_told_nothing_more() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = Answers(DOWN)
        await operator.converge()
        await operator.passes(SECOND)
        operator.change("TalkdeskApp", "sentiment", {"spec": {"notifications": []}})
        await operator.converge()
        await operator.passes(MINUTE)
        assert len(operator.endpoints.arrived) == 1
        assert operator.installation.status.notifications is None

    play(main)


def test_without_the_secret_nothing_is_sent_and_it_is_looked_for_again() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(MINUTE)
        assert operator.endpoints.arrived == []
        assert state(operator).reason == "NotificationKeyMissing"
        assert operator.reason() == "True/Succeeded"
        operator.server.put(keys_secret())
        await operator.passes(21 * SECOND)
        assert operator.endpoints.types() == ["Installed", "Approved"]

    play(main, *world(endpoint_object(), keys=False))


def test_many_at_the_same_time_read_the_secret_once() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(SECOND)
        operator.journal.clear()
        operator.asks("Update", event="e2")
        operator.talkdesk.becomes("updating")
        await operator.converge()
        await operator.passes(SECOND)
        assert len(operator.endpoints.arrived) == 4
        assert "GET secrets/keys" not in operator.journal.lines

    play(main)


def test_nothing_is_sent_over_plain_http_unless_two_say_so() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(MINUTE)
        assert operator.endpoints.arrived == []
        assert state(operator).reason == "InvalidSpec"
        assert operator.reason() == "True/Succeeded"

    play(main, *world(endpoint_object(url="http://a.example.com", allowInsecure=True)))


def test_a_deleted_object_goes_when_all_was_told_and_tells_the_purge() -> None:
    async def main(operator: NotifiedOperator) -> None:
        await operator.converge()
        await operator.passes(SECOND)
        operator.endpoints.mood = Answers(DOWN)
        deleted = {"metadata": {"deletionTimestamp": "2026-03-01T12:01:00Z"}, "spec": {"deletionPolicy": "Delete"}}
        operator.change("TalkdeskInstallation", INSTALLATION, deleted)
        await operator.converge()
        assert operator.installation.metadata.finalizers
        await operator.passes(10 * SECOND)
        assert operator.endpoints.types()[2:] == ["Purged", "Purged"]
        assert operator.woken == [KEY]
        await operator.converge()
        assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None

    play(main)


def test_a_deleted_object_waits_ten_minutes_for_an_endpoint_that_is_down() -> None:
    async def main(operator: NotifiedOperator) -> None:
        operator.endpoints.mood = Answers(*[DOWN] * 100)
        await operator.converge()
        await operator.passes(SECOND)
        deleted = {"metadata": {"deletionTimestamp": "2026-03-01T12:01:01Z"}}
        operator.change("TalkdeskInstallation", INSTALLATION, deleted)
        result = await operator.converge()
        assert [each.after for each in result.next] != []
        await operator.passes(9 * MINUTE)
        await operator.converge()
        assert operator.server.find("TalkdeskInstallation", INSTALLATION) is not None
        await operator.passes(2 * MINUTE)
        await operator.converge()
        assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
        await operator.passes(timedelta(hours=2))

    play(main)


def test_a_fault_in_one_delivery_is_logged_and_tried_again() -> None:
    async def main(operator: NotifiedOperator) -> None:
        async def mood(_: str, __: CloudEventDraft) -> Answer:
            if len(operator.endpoints.arrived) == 1:
                raise RuntimeError("a fault")
            return GOOD

        operator.endpoints.mood = mood
        await operator.converge()
        await operator.passes(2 * MINUTE)
        assert operator.endpoints.types() == ["Installed", "Installed", "Approved"]

    play(main)
