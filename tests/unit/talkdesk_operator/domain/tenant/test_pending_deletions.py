"""What an edit of an app is going to delete, counted before."""

from typing import Any

import pytest

from builders.objects import DAY, HOUR, NOON, app, facts, installation, tenant, trial_object, view
from talkdesk_crds.app import AppStatus
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationStatus
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.edit_grace import deletion_policies
from talkdesk_operator.domain.tenant.pending_deletions import PendingDeletions, deletion_pending, pending_of

pytestmark = pytest.mark.case(40)
UNTIL = NOON + HOUR


def edited(**spec: Any) -> CompiledApp:
    """An app whose policies were edited at this moment."""
    made = view(**spec)
    status = AppStatus(deletion_policies=deletion_policies(app(retention={"keepFor": "1d1s"}), NOON))
    return CompiledApp(made.resource.model_copy(update={"status": status}), made.hosts, None)


def retained(**spec: Any) -> TalkdeskTenant:
    ended = {"uninstallTime": (NOON - DAY).isoformat()} | spec
    return tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON + 89 * DAY), **ended)


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


def test_what_will_be_deleted_is_said_and_nothing_is_said_of_nothing() -> None:
    total = PendingDeletions(purged=2) + PendingDeletions(offboarded=1)
    said = deletion_pending(app(), total, UNTIL, NOON)
    assert said is not None
    assert said.reason == Reason.APP_EDITED
    assert "2 retained tenants are purged and 1 tenants in use are offboarded at 2026-03-01T13:00:00Z" in said.message
    assert deletion_pending(app(), PendingDeletions(), UNTIL, NOON) is None
