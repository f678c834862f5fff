"""What an edit of an app is going to delete, counted before."""

from typing import Any

import pytest

from builders.objects import (
    DAY,
    HOUR,
    NOON,
    app,
    condition,
    ended,
    facts,
    installation,
    tenant,
    trial_object,
    view,
)
from talkdesk_crds.app import AppStatus
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import (
    InstallationPhase,
    InstallationStatus,
    RequestType,
    TalkdeskInstallation,
    Transition,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.edit_grace import deletion_policies
from talkdesk_operator.domain.tenant.pending_deletions import PendingDeletions, deletion_pending, pending_of

pytestmark = pytest.mark.case(40)
UNTIL = NOON + HOUR
PURGED = Transition(time=NOON - DAY, reason=InstallationPhase.PURGED, message="")


def edited(**spec: Any) -> CompiledApp:
    """An app whose policies were edited at this moment."""
    made = view(**spec)
    status = AppStatus(deletion_policies=deletion_policies(app(retention={"keepFor": "1d1s"}), NOON))
    return CompiledApp(made.resource.model_copy(update={"status": status}), made.hosts, None)


def retained(**spec: Any) -> TalkdeskTenant:
    ended = {"uninstallTime": (NOON - DAY).isoformat()} | spec
    return tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON + 89 * DAY), **ended)


def left(status: dict[str, Any] | None = None, **spec: Any) -> TalkdeskInstallation:
    """An installation whose tenant was purged a day ago."""
    known = ended(phase=InstallationPhase.PURGED, history=(PURGED,)).model_copy(update=status or {})
    return installation("sentiment-i0", request=RequestType.UNINSTALL, at=NOON - DAY, status=known, **spec)


@pytest.mark.parametrize(
    ("kept", "spec", "purged"),
    [
        ("1d", {}, 1),
        ("1d1h", {}, 1),
        ("2d", {}, 0),
        ("1d", {"deletionProtection": True}, 0),
        ("1d", {"paused": True}, 0),
        ("1d", {"purge": {"requestedBy": "me"}}, 0),
        ("1d", {"uninstallTime": None}, 0),
    ],
    ids=str,
)
def test_tenants_whose_retention_the_edit_ends_are_counted(kept: str, spec: dict[str, Any], purged: int) -> None:
    found = pending_of(edited(retention={"keepFor": kept}), (), retained(**spec), NOON, UNTIL)
    assert found == PendingDeletions(purged=purged)


@pytest.mark.parametrize(("policy", "count"), [("Offboard", 1), ("Suspend", 0), ("Keep", 0)])
def test_tenants_in_use_that_the_edit_offboards_are_counted(policy: str, count: int) -> None:
    status = InstallationStatus(subscription=facts(subscription="trial").subscription)
    live = installation(trial=trial_object(), status=status)
    older = installation("sentiment-i0", at=NOON - DAY)
    found = pending_of(edited(trial={"onEnd": policy}), (older, live), tenant(), NOON, UNTIL)
    assert found == PendingDeletions(offboarded=count)


def test_an_account_without_a_tenant_loses_nothing() -> None:
    assert pending_of(edited(), (installation(),), None, NOON, UNTIL) == PendingDeletions()


FORGOTTEN: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    ("1d", {}, {}, 1),
    ("1d1h", {}, {}, 1),
    ("2d", {}, {}, 0),
    ("1d", {"history": ()}, {}, 0),
    ("1d", {}, {"paused": True}, 0),
]


@pytest.mark.parametrize(("ttl", "status", "spec", "count"), FORGOTTEN, ids=str)
def test_records_that_the_edit_deletes_are_counted(
    ttl: str, status: dict[str, Any], spec: dict[str, Any], count: int
) -> None:
    found = pending_of(edited(retention={"historyTTL": ttl}), (left(status, **spec),), None, NOON, UNTIL)
    assert found == PendingDeletions(forgotten=count)


def test_records_of_a_paused_app_are_not_counted() -> None:
    paused = edited(retention={"historyTTL": "0s"}, paused=True)
    assert pending_of(paused, (left(),), None, NOON, UNTIL) == PendingDeletions()


@pytest.mark.parametrize(
    ("purged", "spec", "count"),
    [(True, {}, 1), (False, {}, 0), (True, {"paused": True}, 0), (True, {"deletionProtection": True}, 0)],
    ids=str,
)
def test_records_of_before_a_reinstall_are_counted_beside_its_tenant(
    spec: dict[str, Any], count: int, *, purged: bool
) -> None:
    before = left({"conditions": (condition(ConditionType.TENANT_READY, "False", Reason.PURGED),) if purged else ()})
    app, accounts = edited(retention={"historyTTL": "0s"}), (before, installation())
    assert pending_of(app, accounts, tenant(**spec), NOON, UNTIL) == PendingDeletions(forgotten=count)
    ended_too = (before, installation(request=RequestType.UNINSTALL, status=ended()))
    assert pending_of(app, ended_too, retained(**spec), NOON, UNTIL).forgotten == count


def test_what_will_be_deleted_is_said_and_nothing_is_said_of_nothing() -> None:
    total = PendingDeletions(purged=2) + PendingDeletions(offboarded=1, forgotten=1) + PendingDeletions(forgotten=2)
    said = deletion_pending(app(), total, UNTIL, NOON)
    assert said is not None
    assert said.reason == Reason.APP_EDITED
    assert "2 retained tenants are purged and 1 tenants in use are offboarded and " in said.message
    assert "3 records of customers who left are deleted at 2026-03-01T13:00:00Z" in said.message
    assert deletion_pending(app(), PendingDeletions(), UNTIL, NOON) is None
