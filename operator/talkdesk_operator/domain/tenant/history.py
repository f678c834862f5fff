"""When the record of a customer who left is deleted: a TalkdeskInstallation of which nothing else is left.

It is proven by the record itself: its status says that the installation has ended, and its history since when. A record
without that is kept.

Belongs here: since when a record is nothing but history, and until when it is kept. Does not belong here: whether
something of the customer is still there, credentials for instance (`installation.retention`).
"""

from datetime import datetime
from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.installation import EndingReason, InstallationPhase, TalkdeskInstallation
from talkdesk_operator.domain.reconcile.deadlines import is_ended, saturating_add
from talkdesk_operator.domain.tenant.edit_grace import held_until
from talkdesk_runtime.durations import parse_duration

__all__ = ["forgotten_at", "history_since", "tenant_was_purged", "ttl_end"]

_WITHOUT_TENANT: Final = frozenset(InstallationPhase(reason.value) for reason in EndingReason)
"""Phases of an ended installation that never had a tenant."""


def history_since(installation: TalkdeskInstallation) -> datetime | None:
    """Return since when nothing but the record is left, as it is on record; None where it does not say so."""
    status = installation.status
    last = status.history[-1] if status.history else None
    if last is None or last.reason != status.phase or not is_ended(installation):
        return None
    over = status.phase is InstallationPhase.PURGED if status.tenant_ref else status.phase in _WITHOUT_TENANT
    return last.time if over else None


def ttl_end(since: datetime, app: TalkdeskApp) -> datetime:
    """Return when the app's `retention.historyTTL` is over."""
    return saturating_add(since, parse_duration(app.spec.retention.history_ttl))


def forgotten_at(since: datetime, app: TalkdeskApp, now: datetime) -> datetime:
    """Return when the record is deleted: at the end of the app's `retention.historyTTL`, not within an edit's grace."""
    ends, held = ttl_end(since, app), held_until(app, now)
    return ends if held is None else max(ends, held)


def tenant_was_purged(installation: TalkdeskInstallation) -> bool:
    """Return whether the installation's own tenant was purged, so that one that is there is of a later installation."""
    tenant = find(installation.status.conditions, ConditionType.TENANT_READY)
    return tenant is not None and tenant.reason == Reason.PURGED
