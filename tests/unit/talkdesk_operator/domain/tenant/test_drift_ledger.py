"""What has drifted stays due until it is put right; who fights is answered more and more slowly, and named."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import NOON
from talkdesk_crds.names import FIELD_MANAGER, LABEL_NAMESPACE, LABEL_TENANT
from talkdesk_operator.domain.tenant.drift import Change, Sighting, Target
from talkdesk_operator.domain.tenant.drift_ledger import Dispute, DriftLedger
from talkdesk_operator.domain.tenant.managed_fields import Loss

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TARGET = Target("team", "sentiment", "user", "", "v1", "ConfigMap")
PLACE = ("team", "one")


def entry(manager: str, *keys: str) -> dict[str, Any]:
    operation = "Apply" if manager == FIELD_MANAGER else "Update"
    fields: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    return {"manager": manager, "operation": operation, "fieldsV1": fields, "time": "2026-01-01T12:00:00Z"}


def drift(name: str = "facts", *, tenant: str = "one", deleted: bool = False) -> Sighting:
    change = Change.DELETED if deleted else Change.DRIFTED
    return Sighting(TARGET, change, tenant, "td-1", name, () if deleted else (entry("kubectl-edit", "a"),))


def live(name: str = "facts", **labels: str) -> dict[str, Any]:
    marks = {LABEL_NAMESPACE: "team", LABEL_TENANT: "one"} | labels
    metadata = {"namespace": "td-1", "name": name, "labels": marks, "managedFields": [entry(FIELD_MANAGER, "a", "b")]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def fight(ledger: DriftLedger, rounds: int, sighting: Sighting | None = None) -> datetime:
    """Let somebody change an object again right after each correction; return when the last one was made."""
    now = NOON
    for _ in range(rounds):
        now = ledger.seen(sighting or drift(), now)
        ledger.applied(live())
        ledger.corrected(*PLACE, ledger.begin())
    return now


@pytest.mark.case(88)
def test_a_drift_is_due_at_once_and_stays_due_until_it_is_put_right() -> None:
    ledger = DriftLedger()
    assert not ledger.is_due(*PLACE, NOON)
    assert ledger.seen(drift(), NOON) == NOON
    assert ledger.is_due(*PLACE, NOON + MINUTE)
    assert not ledger.is_due("team", "another", NOON)
    ledger.corrected(*PLACE, ledger.begin())
    assert not ledger.is_due(*PLACE, NOON + MINUTE)


@pytest.mark.case(88)
def test_a_drift_that_is_seen_during_a_reconcile_is_not_taken_for_put_right_by_it() -> None:
    ledger = DriftLedger()
    ledger.seen(drift(), NOON)
    began = ledger.begin()
    ledger.seen(drift("other"), NOON)
    ledger.corrected(*PLACE, began)
    assert ledger.is_due(*PLACE, NOON)
    ledger.corrected("team", "unknown", began)


@pytest.mark.case(87)
def test_a_drift_that_comes_again_and_again_is_put_right_more_and_more_slowly() -> None:
    ledger = DriftLedger()
    assert fight(ledger, 2) == NOON
    assert ledger.seen(drift(), NOON) == NOON + 2 * SECOND
    moment = fight(DriftLedger(), 220) - fight(DriftLedger(), 219)
    assert moment == timedelta(minutes=10)
    rounds = next(n for n in range(1, 99) if fight(DriftLedger(), n) > NOON + 15 * SECOND) - 1
    assert rounds <= 5  # corrections within 15 seconds


@pytest.mark.case(87)
def test_other_objects_and_other_tenants_are_not_slowed_down_by_a_fight() -> None:
    ledger = DriftLedger()
    fight(ledger, 5)
    assert ledger.seen(drift("other"), NOON) == NOON
    assert ledger.seen(drift(tenant="two"), NOON) == NOON


def test_several_sightings_before_a_correction_count_once() -> None:
    ledger = DriftLedger()
    for _ in range(5):
        assert ledger.seen(drift(), NOON) == NOON
    assert ledger.disputes(*PLACE, NOON) == ()


@pytest.mark.case(87)
def test_a_rival_who_is_faster_than_the_reconcile_is_slowed_down_as_well() -> None:
    ledger = DriftLedger()
    now = ledger.seen(drift(), NOON)
    for _ in range(5):
        began = ledger.begin()
        ledger.seen(drift(), now)  # again, while the reconcile is still under way
        ledger.corrected(*PLACE, began)
        due = ledger.next_time(*PLACE)
        assert due is not None
        now = due
    assert now >= NOON + 14 * SECOND
    assert ledger.disputes(*PLACE, now) != ()


@pytest.mark.case(87)
def test_a_dispute_names_the_object_the_fields_and_the_other_field_manager() -> None:
    ledger = DriftLedger()
    now = fight(ledger, 3)
    (dispute,) = ledger.disputes(*PLACE, now)
    assert (dispute.kind, dispute.where) == ("ConfigMap", "td-1/facts")
    assert dispute.loss == Loss((".data.a", ".data.b"), ("kubectl-edit",))
    assert 'ConfigMap td-1/facts: the field manager "kubectl-edit" changes .data.a, .data.b' in dispute.message


@pytest.mark.case(87)
def test_once_or_twice_is_no_dispute() -> None:
    ledger = DriftLedger()
    now = fight(ledger, 2)
    assert ledger.disputes(*PLACE, now) == ()
    assert ledger.disputes("team", "another", now) == ()


@pytest.mark.case(87)
def test_an_object_that_is_deleted_again_and_again_is_in_dispute_with_nobody_known() -> None:
    ledger = DriftLedger()
    now = fight(ledger, 3, drift(deleted=True))
    (dispute,) = ledger.disputes(*PLACE, now)
    assert "somebody deletes it again and again" in dispute.message


@pytest.mark.case(87)
def test_a_dispute_is_over_after_a_quiet_time_at_which_the_tenant_is_due_once_more() -> None:
    ledger = DriftLedger()
    now = fight(ledger, 3)
    end = ledger.next_time(*PLACE)
    assert end is not None
    assert not ledger.is_due(*PLACE, end - SECOND)
    assert ledger.is_due(*PLACE, end)
    assert ledger.disputes(*PLACE, now) != ()
    assert ledger.disputes(*PLACE, end) == ()
    assert ledger.next_time(*PLACE) is None
    assert ledger.seen(drift(), end) == end


def test_a_drift_after_a_quiet_time_is_the_first_again() -> None:
    ledger = DriftLedger()
    now = fight(ledger, 5) + timedelta(hours=1)
    assert ledger.seen(drift(), now) == now


@pytest.mark.case(87)
def test_a_dispute_of_before_the_start_is_over_when_nothing_of_it_is_seen_for_a_while() -> None:
    ledger = DriftLedger()
    end = ledger.disputed_before(*PLACE, NOON)
    assert end > NOON
    assert ledger.disputed_before(*PLACE, NOON + MINUTE) == end
    assert ledger.next_time(*PLACE) == end
    assert ledger.disputes(*PLACE, NOON) == ()
    assert ledger.next_time(*PLACE) == end
    assert ledger.disputes(*PLACE, end) == ()
    assert ledger.next_time(*PLACE) is None


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        live(**{LABEL_TENANT: "another"}),
        live("another"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": None}},
    ],
)
def test_an_apply_of_something_else_says_nothing_of_a_drift(foreign: dict[str, Any]) -> None:
    ledger = DriftLedger()
    for _ in range(3):
        ledger.seen(drift(), NOON)
        ledger.applied(foreign)
        ledger.corrected(*PLACE, ledger.begin())
    (dispute,) = ledger.disputes(*PLACE, NOON)
    assert dispute.loss == Loss((), ())
    assert "changes what the template says again and again" in dispute.message


def test_the_number_of_tenants_is_bounded() -> None:
    ledger = DriftLedger(tenants=1)
    ledger.seen(drift(), NOON)
    ledger.seen(drift(tenant="two"), NOON)
    assert not ledger.is_due(*PLACE, NOON)
    assert ledger.is_due("team", "two", NOON)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (Loss((".a", ".b", ".c", ".d", ".e"), ("x", "y")), '"x" and "y" changes .a, .b, .c and 2 more'),
        (Loss((".a",), ()), "that the API server does not name changes .a again"),
        (Loss((), ("x",)), '"x" changes what the template says again'),
    ],
)
def test_the_message_names_what_is_known(lost: Loss, words: str) -> None:
    assert words in Dispute("ConfigMap", "facts", lost).message
