"""How a reconcile ends when nothing is left to do."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import DAY, NOON, ended, failure, installation, remote, scope, tenant, trial_object, view
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import EndingReason, InstallationPhase, RequestType
from talkdesk_crds.tenant import TenantState, TenantStatus
from talkdesk_operator.domain.installation.steady_state import in_steady_state
from talkdesk_operator.domain.reconcile.scope import RemoteFailed, RetryClass, Role

AWAY = tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON + DAY))
OFFBOARDING = view(license={"onSuspended": "Offboard"})
FORBIDDEN = failure(Reason.FORBIDDEN, RetryClass.SLOW)


def test_an_active_installation_is_ready() -> None:
    active = in_steady_state(scope())
    assert (active.phase, active.ready, active.verified) == (InstallationPhase.ACTIVE, True, False)
    assert in_steady_state(scope(), verified=True).verified


@pytest.mark.case(32)
def test_an_update_that_ended_without_an_answer_leaves_the_installation_active() -> None:
    over = installation(request=RequestType.UPDATE, status=ended(EndingReason.TIMED_OUT))
    assert "no longer waits" in in_steady_state(scope(installation=over)).message


@pytest.mark.case(39)
def test_a_non_owner_is_superseded_and_terminal() -> None:
    beside = in_steady_state(scope(role=Role.NON_OWNER, remote=remote("suspended")), verified=True)
    assert (beside.phase, beside.terminal, beside.ready) == (InstallationPhase.SUPERSEDED, True, False)
    assert beside.verified


@pytest.mark.case(42)
def test_a_suspended_tenant_is_ready_and_terminal() -> None:
    stopped = in_steady_state(scope(remote=remote("suspended"), tenant=tenant()), verified=True)
    assert (stopped.phase, stopped.reason) == (InstallationPhase.SUSPENDED, Reason.SUSPENDED)
    assert (stopped.ready, stopped.terminal, stopped.verified, stopped.requeue_at) == (True, True, True, None)
    assert "is suspended" in stopped.message


@pytest.mark.case(42)
def test_an_offboarded_tenant_is_reconciled_when_its_retention_ends() -> None:
    at = scope(remote=remote("suspended"), app=OFFBOARDING, tenant=AWAY)
    stopped = in_steady_state(at)
    assert (stopped.phase, stopped.ready, stopped.terminal) == (InstallationPhase.SUSPENDED, False, True)
    assert (stopped.requeue_at, "offboarded" in stopped.message) == (NOON + DAY, True)
    assert in_steady_state(replace(at, tenant=None)).requeue_at is None
    assert in_steady_state(replace(at, tenant=tenant(TenantState.OFFBOARDED))).requeue_at is None


@pytest.mark.case(42)
def test_a_protected_tenant_after_its_retention_causes_no_wake_up() -> None:
    assert (
        in_steady_state(scope(now=NOON + DAY, remote=remote("suspended"), app=OFFBOARDING, tenant=AWAY)).requeue_at
        is None
    )


@pytest.mark.case(20, 24, 25)
@pytest.mark.parametrize("fields", [{}, {"role": Role.NON_OWNER}, {"installation": installation(trial=trial_object())}])
def test_a_lasting_refusal_and_a_partial_failure_are_retried(fields: dict[str, Any]) -> None:
    assert in_steady_state(scope(remote=RemoteFailed(FORBIDDEN), **fields)).failure == FORBIDDEN
    assert in_steady_state(scope(remote=RemoteFailed(failure()), **fields)).failure is None
    both = scope(remote=RemoteFailed(FORBIDDEN), ack_failure=failure(), **fields)
    assert in_steady_state(both).failure == failure()
