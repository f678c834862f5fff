"""The end of the object waits for what is to be told of it, and not for ever."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import DAY, NOON, condition, deleted, endpoint_object, installation, scope, view
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, TalkdeskInstallation
from talkdesk_crds.notifications import EndpointStatus, Notification, NotificationsStatus, Told
from talkdesk_operator.domain.installation.farewell import last_words
from talkdesk_operator.domain.reconcile.scope import Role, Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import DeleteHistory, Finish, Purge, RemoveFinalizer, Step

TOLD = view(notifications=[endpoint_object()])
WAITS = Notification(id="a", sequence=1, time=NOON, queue_time=NOON, endpoints=("default",))
READY = condition(ConditionType.READY, "False", Reason.PURGED)
PURGED = TenantOutcome(TenantResult.PURGED)


def ending(
    *pending: Notification, told: Told | None = None, gone: bool = True, now: datetime = NOON, **fields: Any
) -> Scope:
    outbox = NotificationsStatus(pending=pending, told=told or Told(purged=True))
    status = InstallationStatus(phase=InstallationPhase.PURGED, conditions=(READY,), notifications=outbox)
    known: TalkdeskInstallation = deleted(status=status) if gone else installation(status=status)
    return replace(scope(app=TOLD, now=now, installation=known), **fields)


def test_a_deleted_object_waits_ten_minutes_at_most() -> None:
    step = last_words(ending(WAITS), RemoveFinalizer())
    assert isinstance(step, Finish)
    assert (step.phase, step.requeue_at) == (InstallationPhase.DELETING, NOON + timedelta(minutes=10))
    assert "default" in step.message
    assert last_words(ending(WAITS, now=NOON + timedelta(minutes=10)), RemoveFinalizer()) is None


@pytest.mark.parametrize(
    ("of", "step"),
    [
        (ending(), RemoveFinalizer()),
        (ending(WAITS, app=None), RemoveFinalizer()),
        (ending(WAITS, app=view()), RemoveFinalizer()),
        (ending(WAITS, app=view(notifications=[endpoint_object("other")])), RemoveFinalizer()),
        (ending(WAITS), RemoveFinalizer(left_behind="what stays")),
        (ending(WAITS, gone=False), RemoveFinalizer()),
        (ending(WAITS), Purge()),
        (ending(WAITS, installation=installation()), DeleteHistory("over")),
        (replace(ending(WAITS), installation=deleted()), RemoveFinalizer()),
    ],
)
def test_it_waits_for_nothing_else(of: Scope, step: Step) -> None:
    assert last_words(of, step) is None


def test_the_purge_by_a_deletion_is_put_down_before_the_object_goes() -> None:
    step = last_words(ending(told=Told(), tenant_outcome=PURGED), RemoveFinalizer())
    assert isinstance(step, Finish)
    assert (step.phase, step.reason, step.requeue_at) == (InstallationPhase.DELETING, Reason.PURGED, NOON)
    assert last_words(ending(tenant_outcome=PURGED), RemoveFinalizer()) is None
    offboarded = TenantOutcome(TenantResult.OFFBOARDED)
    assert last_words(ending(told=Told(), tenant_outcome=offboarded), RemoveFinalizer()) is None


@pytest.mark.parametrize(
    ("policy", "role", "tenant_ref", "there"),
    [
        ("Delete", Role.LAST_OWNER, "t", True),
        ("Retain", Role.LAST_OWNER, "t", False),
        ("Delete", Role.NON_OWNER, "t", False),
        ("Delete", Role.LAST_OWNER, None, False),
    ],
)
def test_a_purge_is_told_of_which_a_process_that_ended_said_nothing(
    policy: str, role: Role, tenant_ref: str | None, *, there: bool
) -> None:
    ref = LocalRef(name=tenant_ref) if tenant_ref is not None else None
    status = InstallationStatus(tenant_ref=ref, notifications=NotificationsStatus())
    known = deleted(status=status, deletionPolicy=policy)
    step = last_words(scope(app=TOLD, installation=known, role=role), RemoveFinalizer())
    assert (step is not None) is there


def test_a_record_stays_as_it_is_for_a_day_after_what_was_put_down_last() -> None:
    step = last_words(ending(WAITS, gone=False), DeleteHistory("over"))
    assert isinstance(step, Finish)
    assert (step.phase, step.reason, step.requeue_at) == (InstallationPhase.PURGED, Reason.PURGED, NOON + DAY)
    assert last_words(ending(WAITS, gone=False, now=NOON + DAY), DeleteHistory("over")) is None
    assert last_words(ending(gone=False), DeleteHistory("over")) is None


def test_nobody_waits_for_an_endpoint_whose_secret_is_gone() -> None:
    status = ending(WAITS).installation.status
    assert status.notifications is not None
    state = EndpointStatus(name="default", attempts=1, reason=Reason.NOTIFICATION_KEY_MISSING)
    outbox = status.notifications.model_copy(update={"endpoints": (state,)})
    known = deleted(status=status.model_copy(update={"notifications": outbox}))
    assert last_words(ending(installation=known), RemoveFinalizer()) is None
