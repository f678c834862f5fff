"""An hour between an edit of an app's policies and the first deletion that follows from it.

A shorter `retention.keepFor` or `historyTTL`, or `Offboard` in the place of `Keep`, deletes objects of many customers
at once, and may be a mistake. So for an hour after such an edit nothing is purged, offboarded or forgotten by policy:
the app says what will be, and an annotation with the app's generation lets it be at once. An uninstall, a person's
purge and a deletion with `deletionPolicy: Delete` wait for nothing, nor does a purge that has begun.

Belongs here: since when and until when it is waited. Does not belong here: what is deleted then (`entitlement`,
`desired`).
"""

from datetime import datetime, timedelta
from typing import Final

import orjson

from talkdesk_crds.app import DeletionPolicies, TalkdeskApp
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, digest
from talkdesk_operator.domain.reconcile.deadlines import saturating_add

__all__ = ["deletion_policies", "held_until"]

_GRACE: Final = timedelta(hours=1)


def deletion_policies(app: TalkdeskApp, now: datetime) -> DeletionPolicies:
    """Return the policies as they are to be recorded: since when they are so, unless they were never others."""
    known, present = app.status.deletion_policies, _fingerprint(app)
    if known is None:
        return DeletionPolicies(fingerprint=present)
    if known.fingerprint == present:
        return known
    return DeletionPolicies(fingerprint=present, last_transition_time=now.replace(microsecond=0))


def held_until(app: TalkdeskApp, now: datetime) -> datetime | None:
    """Return until when nothing is deleted by policy; None when nothing has to wait, or a person confirmed the edit."""
    if app.metadata.annotations.get(ANNOTATION_CONFIRM_DELETION) == str(app.metadata.generation):
        return None
    # An edit that is not recorded yet was made just now.
    changed = deletion_policies(app, now).last_transition_time
    until = None if changed is None else saturating_add(changed, _GRACE)
    return until if until is not None and until > now else None


def _fingerprint(app: TalkdeskApp) -> str:
    spec = app.spec
    policies = (
        spec.retention.keep_for,
        spec.retention.history_ttl,
        spec.trial.on_end,
        spec.license.on_suspended,
        spec.license.on_revoked,
        spec.deadline.grace_period,
    )
    return digest(orjson.dumps(policies).decode(), length=16)
