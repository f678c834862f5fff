"""The outbox in the status: put down once, kept until it is delivered, never more than a status can hold."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builders.objects import (
    DAY,
    NOON,
    answer,
    answered,
    app,
    condition,
    endpoint_object,
    installation,
    retry,
    scope,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, RequestType
from talkdesk_crds.notifications import MAX_PENDING, Notification, NotificationsStatus
from talkdesk_operator.domain.notifications.outbox import (
    Deliveries,
    DeliveryFailure,
    next_look,
    settled,
    waiting_for,
    with_news,
    with_request,
)

TWO = [endpoint_object("one"), endpoint_object("two", events=["Approved"])]
FIRST = int(NOON.timestamp())
REFUSED = DeliveryFailure(Reason.NOTIFICATION_REFUSED, "it answers 500")
NO_KEY = DeliveryFailure(Reason.NOTIFICATION_KEY_MISSING, "there is no Secret keys")


def put_down(*ids: str, at: datetime = NOON, endpoints: tuple[str, ...] = ("one", "two")) -> InstallationStatus:
    pending = tuple(
        Notification(id=each, sequence=number, time=at, queue_time=at, endpoints=endpoints)
        for number, each in enumerate(ids)
    )
    known = NotificationsStatus(sequence=len(ids)).model_copy(update={"pending": pending})
    return InstallationStatus(notifications=known)


def settle(
    status: InstallationStatus, deliveries: Mapping[str, Deliveries] | None = None, now: datetime = NOON, **spec: Any
) -> InstallationStatus:
    known = app(**({"notifications": TWO} | spec))
    return settled(status, known, deliveries or {}, now, jitter=1.0, generation=1)


def outbox(status: InstallationStatus) -> NotificationsStatus:
    assert status.notifications is not None
    return status.notifications


def news(status: InstallationStatus | None = None, *, erased: bool = False, **keywords: Any) -> InstallationStatus:
    before = keywords.pop("before", InstallationStatus())
    known = keywords.pop("app", view(notifications=TWO))
    request = keywords.pop("request", RequestType.INSTALL)
    return with_news(
        scope(app=known, installation=installation(request=request, status=before), **keywords),
        status or before,
        erased=erased,
    )


def test_without_endpoints_nothing_is_put_down_and_what_waited_goes() -> None:
    assert news(put_down("a"), app=view()).notifications is None


def test_without_the_app_everything_stays() -> None:
    assert news(put_down("a"), app=None) == put_down("a")


def test_each_is_put_down_for_the_endpoints_that_want_it_in_the_order_in_which_it_happened() -> None:
    ready = condition(ConditionType.READY)
    found = outbox(news(answered(event="event-1", phase=InstallationPhase.ACTIVE, conditions=(ready,))))
    assert [(each.type, each.endpoints, each.sequence - FIRST) for each in found.pending] == [
        ("Installed", ("one",), 1),
        ("Approved", ("one", "two"), 2),
    ]
    first = found.pending[0]
    assert (first.account_name, first.phase, first.reason) == ("acme", "Active", "Succeeded")
    assert (first.request_id, first.request_type) == ("event-1", "Install")


def test_the_same_thing_has_the_same_id_although_the_status_was_lost() -> None:
    once, again = (news(answered(event="event-1")) for _ in range(2))
    assert [each.id for each in outbox(once).pending] == [each.id for each in outbox(again).pending]
    assert len({each.id for each in outbox(once).pending}) == 2


def test_of_an_erased_customer_no_name_is_put_down() -> None:
    status = InstallationStatus(conditions=(condition(ConditionType.READY),))
    (told,) = outbox(news(status, erased=True)).pending
    assert (told.account_name, told.company_name, told.plan) == (None, None, None)
    assert told.message is None, "a later erasure takes it, too: the words would change between two attempts"


def test_what_nobody_wants_is_told_to_nobody_and_takes_no_number() -> None:
    found = outbox(news(app=view(notifications=[endpoint_object(events=["Purged"])])))
    assert (found.pending, found.sequence, found.told.request_id) == ((), FIRST, "event-1")


def test_what_was_delivered_to_one_waits_for_the_other() -> None:
    status = settle(put_down("a", "b"), {"one": Deliveries(frozenset({"a"}))})
    read = installation(status=status)
    assert [each.id for each in waiting_for(read, "one")] == ["b"]
    assert [each.id for each in waiting_for(read, "two")] == ["a", "b"]
    done = settle(settle(status, {"two": Deliveries(frozenset({"a", "b"}))}), {"one": Deliveries(frozenset({"b"}))})
    assert outbox(done).pending == ()


def test_settling_again_changes_nothing() -> None:
    status = settle(put_down("a"), {"one": Deliveries(failure=REFUSED)})
    assert settle(status) == status
    assert settle(put_down("a")) == put_down("a")


def test_failures_in_a_row_are_tried_less_and_less_often() -> None:
    status, waits = put_down("a"), []
    for _ in range(12):
        status = settle(status, {"one": Deliveries(failure=REFUSED)})
        (state,) = outbox(status).endpoints
        assert state.next_attempt_time is not None
        waits.append((state.next_attempt_time - NOON).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 1800]
    (state,) = outbox(status).endpoints
    assert (state.attempts, state.reason, state.message) == (12, "NotificationRefused", "it answers 500")


def test_a_delivery_ends_the_back_off() -> None:
    status = settle(put_down("a", "b"), {"one": Deliveries(failure=REFUSED)})
    assert outbox(settle(status, {"one": Deliveries(frozenset({"a"}))})).endpoints == ()
    both = settle(status, {"one": Deliveries(frozenset({"a"}), REFUSED)})
    assert [each.attempts for each in outbox(both).endpoints] == [1]


def test_a_wait_that_the_endpoint_asks_for_is_kept_up_to_an_hour() -> None:
    for asked, waited in ((timedelta(minutes=2), 120), (timedelta(days=3), 3600), (timedelta(seconds=1), 5)):
        failure = DeliveryFailure(Reason.NOTIFICATION_REFUSED, "it answers 429", asked)
        (state,) = outbox(settle(put_down("a"), {"one": Deliveries(failure=failure)})).endpoints
        assert state.next_attempt_time == NOON + timedelta(seconds=waited)


def test_what_many_endpoints_say_fits_into_a_condition() -> None:
    said = DeliveryFailure(Reason.NOTIFICATION_KEY_MISSING, "there is no Secret " + 600 * "k")
    names = [f"endpoint-{number}" for number in range(8)]
    spec: Any = {"notifications": [endpoint_object(name) for name in names]}
    status = settle(put_down("a", endpoints=(*names,)), dict.fromkeys(names, Deliveries(failure=said)), **spec)
    found = find(settle(status, now=NOON + DAY, **spec).conditions, ConditionType.NOTIFICATIONS_OVERDUE)
    assert found is not None
    assert 1024 < len(found.message) <= 2048


def test_what_waits_for_a_day_is_overdue_and_the_condition_ends_with_the_delivery() -> None:
    status = settle(put_down("a"), {"one": Deliveries(failure=REFUSED), "two": Deliveries(frozenset({"a"}))})
    assert find(status.conditions, ConditionType.NOTIFICATIONS_OVERDUE) is None
    late = settle(status, now=NOON + DAY)
    found = find(late.conditions, ConditionType.NOTIFICATIONS_OVERDUE)
    assert found is not None
    assert (found.status, found.reason) == ("True", "NotificationRefused")
    assert found.message == "endpoint one: it answers 500"
    assert settle(late, now=NOON + DAY + timedelta(minutes=1)) == late, "no write while nothing changes"
    done = settle(late, {"one": Deliveries(frozenset({"a"}))}, now=NOON + DAY)
    assert find(done.conditions, ConditionType.NOTIFICATIONS_OVERDUE) is None


def test_what_is_too_old_is_given_up_counted_and_said_until_the_next_delivery() -> None:
    brief = [endpoint_object("one", giveUpAfter="1h"), endpoint_object("two")]
    status = settle(put_down("a", "b"), {"one": Deliveries(failure=REFUSED)}, notifications=brief)
    later = settle(status, now=NOON + timedelta(hours=1), notifications=brief)
    read = installation(status=later)
    assert waiting_for(read, "one") == ()
    assert len(waiting_for(read, "two")) == 2
    assert [(each.name, each.given_up) for each in outbox(later).endpoints] == [("one", 2)]
    assert find(later.conditions, ConditionType.NOTIFICATIONS_OVERDUE) is not None
    told = settle(later, {"one": Deliveries(frozenset({"c"}))}, now=NOON + timedelta(hours=2), notifications=brief)
    assert find(told.conditions, ConditionType.NOTIFICATIONS_OVERDUE) is None
    assert [each.given_up for each in outbox(told).endpoints] == [2]


def test_an_endpoint_that_is_gone_is_told_nothing_more() -> None:
    status = settle(put_down("a"), {"two": Deliveries(failure=REFUSED)})
    left = outbox(settle(status, notifications=TWO[:1]))
    assert [each.endpoints for each in left.pending] == [("one",)]
    assert left.endpoints == ()


def test_the_oldest_are_given_up_where_a_status_would_grow_without_end() -> None:
    status = settle(put_down(*(f"n{number}" for number in range(MAX_PENDING + 3))))
    assert outbox(status).pending[0].id == "n3"
    assert [(each.name, each.given_up) for each in outbox(status).endpoints] == [("one", 3), ("two", 3)]


def test_the_next_look_is_when_something_gets_overdue_or_too_old() -> None:
    read = installation(status=put_down("a", endpoints=("one",)))
    (one, two) = app(notifications=TWO).spec.notifications
    assert next_look(read, one, NOON) == NOON + DAY
    assert next_look(read, one, NOON + DAY) == NOON + 7 * DAY
    assert next_look(read, two, NOON) is None


IDS = [f"n{number}" for number in range(4)]
MADE = st.builds(Deliveries, st.frozensets(st.sampled_from(IDS)), st.sampled_from([None, REFUSED, NO_KEY]))
STEPS = st.tuples(st.dictionaries(st.sampled_from(["one", "two", "gone"]), MADE), st.integers(0, 4 * 24))


@given(st.lists(STEPS, max_size=8))
def test_whatever_comes_of_deliveries_nothing_is_lost_but_what_was_delivered_or_given_up(
    steps: list[tuple[dict[str, Deliveries], int]],
) -> None:
    status, now = put_down(*IDS), NOON
    delivered: dict[str, set[str]] = {"one": set(), "two": set()}
    for deliveries, hours in steps:
        now += timedelta(hours=hours)
        status = settle(status, deliveries, now)
        assert settle(status, now=now) == status
        for name, made in deliveries.items():
            delivered.setdefault(name, set()).update(made.delivered)
        lost = {each.name: each.given_up for each in outbox(status).endpoints}
        for name in ("one", "two"):
            waiting = [each.id for each in waiting_for(installation(status=status), name)]
            assert waiting == sorted(waiting), "in order"
            assert len(waiting) + len(delivered[name] & set(IDS)) + lost.get(name, 0) >= len(IDS)
            if now < NOON + 7 * DAY:
                assert set(waiting) == set(IDS) - delivered[name]


def test_an_answer_that_was_told_before_the_endpoints_were_there_is_not_told_again() -> None:
    before = answered(event="event-1", phase=InstallationPhase.ACTIVE, answer=answer(event="event-1"))
    assert outbox(news(before, before=before)).pending == ()


def test_a_filter_sees_the_facts_of_the_customer() -> None:
    endpoints = [
        endpoint_object("acme", filter="account.name == 'acme' && app.region == 'US'"),
        endpoint_object("trial", filter="trial.state == 'Started'"),
        endpoint_object("installs", filter="event.requestType == 'Install'"),
    ]
    (told,) = outbox(news(app=view(notifications=endpoints))).pending
    assert told.endpoints == ("acme", "installs")


def test_an_app_whose_endpoints_could_not_be_compiled_keeps_what_waits() -> None:
    broken = replace(view(notifications=TWO), endpoints=())
    assert news(put_down("a"), app=broken) == put_down("a")


def test_a_status_without_an_outbox_is_settled_already() -> None:
    assert settle(InstallationStatus()) == InstallationStatus()
    nothing = InstallationStatus()
    assert waiting_for(installation(status=nothing), "one") == ()


def test_the_condition_keeps_its_place_so_that_the_next_reconcile_writes_nothing() -> None:
    foreign = condition(ConditionType.READY).model_copy(update={"type": "TheirOwn"})
    ready = condition(ConditionType.READY)
    status = put_down("a").model_copy(update={"conditions": (ready, foreign)})
    late = settle(status, now=NOON + DAY)
    assert [each.type for each in late.conditions] == ["Ready", "NotificationsOverdue", "TheirOwn"]


def test_what_was_put_down_before_stays_and_the_next_follows_it() -> None:
    first = news(answered(event="event-1"))
    second = news(first.model_copy(update={"phase": InstallationPhase.SUSPENDED}), before=first)
    assert [(each.type, each.sequence - FIRST) for each in outbox(second).pending] == [
        ("Installed", 1),
        ("Approved", 2),
        ("Suspended", 3),
    ]


def test_a_request_is_put_down_alone_before_its_answer_is_sent() -> None:
    before = put_down("a").model_copy(
        update={"phase": InstallationPhase.PURGED, "time_left": "under 1d", "retry": retry(Reason.FORBIDDEN, NOON)}
    )
    at = scope(app=view(notifications=TWO), installation=installation(status=before))
    status = before.model_copy(update={"answer": answer(event="event-1", delivered=False)})
    after = with_request(at, status, erased=False)
    assert after.model_copy(update={"notifications": None}) == status.model_copy(update={"notifications": None})
    (_, told) = outbox(after).pending
    assert (told.type, told.phase, told.reason) == ("Installed", "Answering", None)
    assert told.deadline == NOON + 7 * DAY
    assert [each.type for each in outbox(news(after, before=after)).pending][2:] == ["Purged", "DeadlineNear"]
