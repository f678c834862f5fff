"""Condition types and reasons: each a constant with a sentence on when it holds.

Conditions follow the Kubernetes API conventions and kstatus: `Reconciling` and `Stalled` are True only while
something is going on or stuck; the others say how well things are.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from talkdesk_crds.fields import Model, Moment, listed_by, unknown_read_as


class ConditionType(StrEnum):
    """What a condition speaks of."""

    READY = "Ready"
    """The object is as its spec asks, as far as the operator knows."""
    CREDENTIALS_VALID = "CredentialsValid"
    """The stored credentials gave a token the last time one was asked for."""
    TENANT_READY = "TenantReady"
    """Every object of the tenant's template is applied and ready."""
    ANSWERED = "Answered"
    """Talkdesk has our answer to the request in the spec."""
    USERS_SYNCED = "UsersSynced"
    """The SCIM service has every licensed user as it should be; only where the app has `users.scim`."""
    IN_SYNC = "InSync"
    """Talkdesk's own state agrees with the answer on our record."""
    DEADLINE_NEAR = "DeadlineNear"
    """A mark of the app's `deadline.warnBefore` has passed and Talkdesk still waits."""
    NOTIFICATIONS_OVERDUE = "NotificationsOverdue"
    """A notification could not be delivered for a day, or was given up; only shown while it is so."""
    DELETION_BLOCKED = "DeletionBlocked"
    """The app is being deleted and has customers left, or the tenant's record and its objects are there; only shown
    while it is so."""
    PRUNE_HELD = "PruneHeld"
    """Objects that left the tenant's template were kept and wait for a person; absent when there are none."""
    DELETION_PENDING = "DeletionPending"
    """An edit of the app will offboard or purge tenants; only shown while that can still be stopped."""
    ORPHANED = "Orphaned"
    """No TalkdeskInstallation claims the tenant though the customer did not uninstall; only shown while it is so."""
    READINESS_ASSUMED = "ReadinessAssumed"
    """Objects of a custom kind count as ready as soon as they are applied, because their step of the app's template has
    no `readyWhen`; only shown while it is so."""
    ROLLED_OUT = "RolledOut"
    """Every tenant of the app that a rollout may move has the revision of the template that it is to have."""
    ACCESS_READY = "AccessReady"
    """Operator, webhook and the app's service account have every right that the template needs, and the cluster every
    kind; where it is False the message is YAML that grants what is missing."""
    CONTESTED = "Contested"
    """Somebody else changes or deletes an object of the tenant again and again; only shown while it is so."""
    RECONCILING = "Reconciling"
    """kstatus: work is under way or waits for something outside."""
    STALLED = "Stalled"
    """kstatus: nothing will move before a person changes something."""


class Reason(StrEnum):
    """Why a condition is what it is."""

    SUCCEEDED = "Succeeded"
    """Everything that was asked for is done."""
    PENDING = "Pending"
    """Not evaluated yet, or its turn has not come."""
    PROGRESSING = "Progressing"
    """Under way."""
    PAUSED = "Paused"
    """A person set `spec.paused`."""
    DELETING = "Deleting"
    """The object is being deleted."""

    APP_NOT_FOUND = "AppNotFound"
    """No TalkdeskApp of the name in `spec.appRef` exists in the namespace."""
    INVALID_SPEC = "InvalidSpec"
    """The spec can't be understood by this version of the operator."""
    TEMPLATE_INVALID = "TemplateInvalid"
    """The TalkdeskApp's template can't be used for any tenant."""
    RENDER_FAILED = "RenderFailed"
    """The template can't be filled in for the tenant."""
    VALUES_INVALID = "ValuesInvalid"
    """Values of the app or the tenant don't fit the app's `tenant.valuesSchema`, or that schema is no good; the message
    has the path and what is expected, and nothing of the tenant is changed."""
    DUPLICATE = "Duplicate"
    """Another TalkdeskInstallation has the name that Talkdesk's events look for; that one counts."""
    NO_REQUEST = "NoRequest"
    """The installation has no request to act on yet."""

    CREDENTIALS_MISSING = "CredentialsMissing"
    """No credentials have come for this installation yet."""
    CREDENTIALS_LOST = "CredentialsLost"
    """The Secret that holds the credentials is gone or unreadable; Talkdesk can't be called."""
    CREDENTIALS_FOREIGN = "ForeignCredentials"
    """`spec.credentials` names a Secret that is not this installation's by its type and label; it is neither used nor
    deleted."""
    CREDENTIALS_REFUSED = "CredentialsRefused"
    """Talkdesk's token endpoint refused the credentials, or an API call with a fresh token got 401."""
    CREDENTIALS_DELETED = "CredentialsDeleted"
    """The installation ended and its credentials were deleted."""

    APPROVED = "Approved"
    """The answer "approve" was sent to Talkdesk."""
    ALREADY_ANSWERED = "AlreadyAnswered"
    """Talkdesk's own state shows the request as answered."""
    REJECTED = "Rejected"
    """Talkdesk says that the installation was rejected."""
    TIMED_OUT = "TimedOut"
    """The time for an answer passed."""
    AWAITING_DECISION = "AwaitingDecision"
    """A person must decide, and `spec.approval` holds no decision for this request."""
    DECISION_MISMATCH = "DecisionForOtherEvent"
    """`spec.approval` names another event than `spec.request`; it counts for nothing."""
    POLICY_REJECTED = "RejectedByPolicy"
    """The app's policy rejects the request: a rule in `approval.rejectWhen` is true for it, the automatic decision says
    so, or `approval.onTenantFailure` is Reject and the tenant can't be made of what is known of the customer."""
    POLICY_FAILED = "PolicyFailed"
    """A rule in the app's `approval.rejectWhen` can't be evaluated for the request."""
    TRIAL_ENDED = "TrialEnded"
    """The trial ended without an upgrade; the app's `trial.onEnd` decides what follows."""
    REVOKED = "Revoked"
    """Talkdesk says that the installation is revoked, and no uninstall has come."""
    DIVERGED = "Diverged"
    """Talkdesk's state differs from the answer on our record; the decision is not repeated blindly."""
    DEADLINE_NEAR = "DeadlineNear"
    """A mark before the deadline has passed and Talkdesk still waits."""
    NOT_NEAR = "NotNear"
    """Nothing waits, or there is time enough."""
    USERS_SYNCING = "UsersSyncing"
    """Users are being synced to the SCIM service."""
    USERS_FAILED = "UsersFailed"
    """The SCIM service refuses some users, or all."""
    SCIM_UNAVAILABLE = "ScimUnavailable"
    """The SCIM service can't be reached, is overloaded or answers nonsense."""
    HOOK_UNAVAILABLE = "HookUnavailable"
    """The partner's service that a step calls can't be reached, is overloaded, or is at something else."""
    HOOK_REFUSED = "HookRefused"
    """The partner's service that a step calls refuses the request."""
    HOOK_FAILED = "HookFailed"
    """The partner's service that a step calls says that it failed, or answers nonsense."""
    HOOK_KEY_MISSING = "HookKeyMissing"
    """A Secret that a step names for calls of a partner's service is missing, or can't be used."""
    NOTIFICATION_REFUSED = "NotificationRefused"
    """An endpoint of the app's `notifications` can't be told: it can't be reached, or answers no 2xx; the message says
    which one and why."""
    NOTIFICATION_KEY_MISSING = "NotificationKeyMissing"
    """A Secret that an endpoint of the app's `notifications` names is missing, or can't be used."""
    GONE = "Gone"
    """Talkdesk does not know the installation any more, or says that it was revoked."""
    SUSPENDED = "Suspended"
    """Talkdesk says that the installation is suspended."""
    NOT_FOUND_ONCE = "NotFoundOnce"
    """Talkdesk did not find the installation; a second read decides."""
    NOT_FOUND_AFTER_EDIT = "NotFoundAfterEdit"
    """The installation is not found where the TalkdeskApp looks since its id, region or endpoints were edited; that
    ends nothing. Look whether the app is right."""
    UNINSTALLED = "Uninstalled"
    """The customer uninstalled the app, and Talkdesk has the acknowledgement or no longer waits for it."""
    DEPROVISIONED = "Deprovisioned"
    """The time for acknowledging an uninstall passed; Talkdesk removes the installation by itself then."""
    VERIFYING = "Verifying"
    """The answer was sent; Talkdesk's own state does not show it yet."""
    ANSWER_UNCLEAR = "AnswerUnclear"
    """Whether Talkdesk waits for this very answer can't be told from its state, so nothing is sent for now; the message
    says what would settle it."""

    FORBIDDEN = "Forbidden"
    """Talkdesk answered 403: a scope is missing, or the customer restricts API calls to some addresses."""
    UNAVAILABLE = "TalkdeskUnavailable"
    """Talkdesk's API can't be reached, is overloaded or answers nonsense."""
    FOREIGN_HOST = "ForeignHost"
    """An endpoint is not a host of the app's region."""
    REFUSED = "RefusedByTalkdesk"
    """Talkdesk refused a call for good."""

    APPLIED = "Applied"
    """All objects are applied and ready."""
    NOT_READY = "NotReady"
    """Objects are applied; some are not ready yet."""
    APPLY_REFUSED = "ApplyRefused"
    """The API server refused an object as it is; its own words are in the message."""
    FIELD_IMMUTABLE = "FieldImmutable"
    """The template changes what can't be changed in an object that exists. Change it back, delete the object, or have
    it made anew by the annotation `recreate` in its manifest."""
    OUTSIDE_TENANT = "OutsideTenant"
    """An object is not where the app's `tenant.objectScope` allows it: it alone is neither applied nor deleted."""
    LOGOUT_KEY_MISSING = "LogoutKeyMissing"
    """The Secret that logouts are signed with is missing, or not released (`for-hosts`) for the app's `logout.url`."""
    ACCESS_MISSING = "AccessMissing"
    """The operator, or the app's service account, has not the right to do it; the message names verb and resource.
    Grant it by a RoleBinding."""
    KIND_MISSING = "KindMissing"
    """The cluster does not have a kind of the template yet; that is waited for, and looked for every 20 seconds."""
    DRIFT_NOT_WATCHED = "DriftNotWatched"
    """The app's service account may not list and watch a kind of the template, so what somebody changes in such objects
    is put right at the next resync and not at once."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """A ResourceQuota of the cluster refuses an object. Raise it, or free what is used."""
    ADMISSION_REFUSED = "AdmissionRefused"
    """An admission policy, webhook or plugin of the cluster refuses an object, in the words of the message."""
    CONFLICT = "Conflict"
    """An object belongs to somebody else, or another field manager owns a field of it."""
    READY_WHEN_MISSING = "ReadyWhenMissing"
    """A step with a custom kind does not say when an object of it is ready; the message names step and kind."""
    FIELD_MANAGER_CONFLICT = "FieldManagerConflict"
    """Another field manager and the template want different things of one object; the message names who and what, and
    the object is put right at growing intervals."""
    OFFBOARDING = "Offboarding"
    """Objects are being deleted after an uninstall."""
    DELETION_BLOCKED = "DeletionBlocked"
    """An object does not go away; the message names it."""
    RETAINED = "Retained"
    """Offboarded; what remains is kept until the retention ends."""
    OBJECTS_ORPHANED = "ObjectsOrphaned"
    """Objects left the template and were kept; `status.orphanedObjects` of the tenant says why, and how to delete them.
    """
    PURGING = "Purging"
    """The retention ended; the tenant's objects are being deleted."""
    PURGED = "Purged"
    """The retention ended and everything of the tenant is deleted."""
    PROTECTED = "Protected"
    """The retention ended, but `spec.deletionProtection` forbids the purge."""
    SUPERSEDED = "Superseded"
    """A newer installation of the same account owns the tenant."""
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    """The Kubernetes API server did not do what it was asked; this is tried again."""
    CUSTOMERS_LEFT = "CustomersLeft"
    """An app that is being deleted still has installations or tenants; the message counts them."""
    APP_EDITED = "AppEdited"
    """By an edit of the app's policies tenants are to be offboarded or purged; the message says how many and when."""
    APP_DELETING = "AppDeleting"
    """The app is being deleted, so nothing is provisioned for a new installation."""
    IN_USE = "InUse"
    """The customer has the app installed, so the record of the tenant stays though somebody deleted it."""
    INSTALLATION_DELETED = "InstallationDeleted"
    """Somebody deleted the TalkdeskInstallation that owned the tenant, which is not an uninstall."""
    ROLLING_OUT = "RollingOut"
    """Tenants are being moved to another revision of the template; the message says how far it is."""
    TENANTS_FAILING = "TenantsFailing"
    """Tenants fail with the new revision, so no further one gets it; the message names them."""
    CANARY_MISSING = "CanaryMissing"
    """No tenant has the labels of `templateRollout.canary.selector`, so nobody gets the new revision."""
    REVISION_MISSING = "RevisionMissing"
    """There is no ControllerRevision of the name that a tenant or `templateRollout` gives."""
    INTERNAL_ERROR = "InternalError"
    """A fault in the operator; its log has the trace."""


class EventReason(StrEnum):
    """Reasons of Kubernetes Events that are not the reason of a condition, nor a phase."""

    CREDENTIALS_ROTATED = "CredentialsRotated"
    """The new credentials work, and Talkdesk has the acknowledgement of the rotation."""
    DRIFT_CORRECTED = "DriftCorrected"
    """Somebody else had changed or deleted objects of the tenant; they are as the template says again."""
    HISTORY_ENDED = "HistoryEnded"
    """The TalkdeskInstallation of a customer who left is deleted: only the record was left, for the app's
    `retention.historyTTL`."""
    NOTIFICATION_GIVEN_UP = "NotificationGivenUp"
    """A notification was not delivered to an endpoint of the app's, and is not tried any more."""
    OBJECT_PRUNED = "ObjectPruned"
    """An object of the tenant left the template and is deleted; the message names it."""
    OBJECT_RECREATED = "ObjectRecreated"
    """An object of the tenant is deleted and made anew, because its manifest says `recreate` and changes what can't be
    changed; the message names it."""
    RECORD_LOST = "TenantRecordLost"
    """The TalkdeskTenant was gone though objects of the tenant may be there; the message says what was found."""
    LEFT_BEHIND = "LeftBehind"
    """A namespace was deleted with a customer in it, and objects of the tenant elsewhere stay. The Event is about the
    Namespace and in `default`, because the namespace's own Events go with it."""
    ORPHANED = "Orphaned"
    """The TalkdeskInstallation that owned a tenant was deleted, and no other one claims the tenant."""
    PURGE_REQUESTED = "PurgeRequested"
    """A person asked in `spec.purge` of the tenant that nothing is kept any longer; the message names who."""


class Condition(Model):
    """One aspect of an object's state, in the form of the Kubernetes API conventions."""

    type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=316, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"),
    ]
    """What the condition speaks of."""
    status: Annotated[Literal["True", "False", "Unknown"], unknown_read_as("Unknown", ("True", "False", "Unknown"))]
    """Whether it holds: True, False or Unknown."""
    reason: Annotated[
        str,
        StringConstraints(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """One word for machines on why."""
    message: Annotated[str, StringConstraints(max_length=2048)] = ""
    """A sentence for people on why."""
    last_transition_time: Moment
    """When `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that the condition was computed from."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=listed_by("type"))]
"""Conditions, one of each type."""


def find(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """Return the condition of that type, if there is one."""
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: ConditionType) -> bool:
    """Return whether there is a condition of that type and it holds."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def transitioned(before: Iterable[Condition], after: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """Return `after` with the transition times of `before` kept wherever the status did not change.

    What `before` has of a type that is not ours stays: a newer version or somebody else wrote it.
    """
    known, new = {c.type: c for c in before}, tuple(after)
    told = {c.type for c in new}
    foreign = (c for c in known.values() if c.type not in _TYPES and c.type not in told)

    def timed(new: Condition) -> Condition:
        old = known.get(new.type)
        kept = old is not None and old.status == new.status
        moment = old.last_transition_time if old is not None and kept else now.replace(microsecond=0)
        return new.model_copy(update={"last_transition_time": moment})

    return (*(timed(c) for c in new), *foreign)


def merged(before: Iterable[Condition], changed: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """Return `before` with the conditions of `changed` in the place of those of their types; all others stay."""
    known, new = tuple(before), {c.type: c for c in changed}
    kept = tuple(new.pop(c.type, c) for c in known)
    return transitioned(known, (*kept, *new.values()), now)


_TYPES = frozenset(kind.value for kind in ConditionType)
