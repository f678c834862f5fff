"""How a pass over an installation in order ends."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import DAY, NOON, ended, failure, installation, remote, scope, tenant, trial_object, view
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import EndingKind, InstallationPhase, RequestType
from talkdesk_crds.tenant import TenantState, TenantStatus
from talkdesk_operator.domain.installation.steady_state import at_rest
from talkdesk_operator.domain.reconcile.scope import Pace, RemoteRefused, Role

AWAY = tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_after=NOON + DAY))
OFFBOARDING = view(licence={"onSuspended": "Offboard"})
FORBIDDEN = failure(Reason.FORBIDDEN, Pace.SLOW)


def test_an_active_installation_is_ready() -> None:
    active = at_rest(scope())
    assert (active.phase, active.ready, active.verified) == (InstallationPhase.ACTIVE, True, False)
    assert at_rest(scope(), verified=True).verified


@pytest.mark.case(32)
def test_an_update_that_ended_without_answer_leaves_it_active_and_is_told() -> None:
    over = installation(request=RequestType.UPDATE, status=ended(EndingKind.TIMED_OUT))
    assert "no longer waits" in at_rest(scope(installation=over)).message


@pytest.mark.case(39)
def test_a_bystander_is_settled() -> None:
    beside = at_rest(scope(role=Role.BYSTANDER, remote=remote("suspended")), verified=True)
    assert (beside.phase, beside.settled, beside.ready) == (InstallationPhase.SUPERSEDED, True, False)
    assert beside.verified


@pytest.mark.case(42)
def test_a_suspended_tenant_is_as_it_should_be() -> None:
    stopped = at_rest(scope(remote=remote("suspended"), tenant=tenant()), verified=True)
    assert (stopped.phase, stopped.reason) == (InstallationPhase.SUSPENDED, Reason.SUSPENDED)
    assert (stopped.ready, stopped.settled, stopped.verified, stopped.wake) == (True, True, True, None)
    assert "is suspended" in stopped.message


@pytest.mark.case(42)
def test_a_tenant_that_was_put_away_is_looked_at_when_its_retention_ends() -> None:
    at = scope(remote=remote("suspended"), app=OFFBOARDING, tenant=AWAY)
    stopped = at_rest(at)
    assert (stopped.phase, stopped.ready, stopped.settled) == (InstallationPhase.SUSPENDED, False, True)
    assert (stopped.wake, "offboarded" in stopped.message) == (NOON + DAY, True)
    assert at_rest(replace(at, tenant=None)).wake is None
    assert at_rest(replace(at, tenant=tenant(TenantState.OFFBOARDED))).wake is None


@pytest.mark.case(42)
def test_a_retention_that_is_over_and_holds_what_is_protected_wakes_nobody() -> None:
    assert at_rest(scope(now=NOON + DAY, remote=remote("suspended"), app=OFFBOARDING, tenant=AWAY)).wake is None


@pytest.mark.case(20, 24, 25)
@pytest.mark.parametrize("fields", [{}, {"role": Role.BYSTANDER}, {"installation": installation(trial=trial_object())}])
def test_what_does_not_pass_by_itself_is_tried_again(fields: dict[str, Any]) -> None:
    assert at_rest(scope(remote=RemoteRefused(FORBIDDEN), **fields)).failure == FORBIDDEN
    assert at_rest(scope(remote=RemoteRefused(failure()), **fields)).failure is None
    both = scope(remote=RemoteRefused(FORBIDDEN), ack_failure=failure(), **fields)
    assert at_rest(both).failure == failure()
