"""The status of a TalkdeskInstallation, and the words that spec and status share."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from talkdesk_crds.conditions import Conditions
from talkdesk_crds.fields import ATOMIC, Id, LocalRef, Model, Moment, ObjectName, Word, unknown_read_as
from talkdesk_crds.notifications import NotificationsStatus

__all__ = [
    "AccountFacts",
    "Answer",
    "CredentialsStatus",
    "Decision",
    "Ending",
    "EndingReason",
    "InstallationPhase",
    "InstallationStatus",
    "Retry",
    "SubscriptionFacts",
    "Transition",
    "TrialState",
    "TrialStatus",
    "UsersStatus",
]


class TrialState(StrEnum):
    """Where a trial is."""

    STARTED = "Started"
    EXTENDED = "Extended"
    ENDED = "Ended"


class Decision(StrEnum):
    """How a request is answered at Talkdesk."""

    APPROVE = "Approve"
    REJECT = "Reject"


class InstallationPhase(StrEnum):
    """Where an installation is, in one word for people; nothing decides by it."""

    PENDING = "Pending"
    """Waits for its request, its credentials or its app."""
    PROVISIONING = "Provisioning"
    """The tenant is being made."""
    ANSWERING = "Answering"
    """The tenant is ready; the answer is being sent to Talkdesk."""
    ACTIVE = "Active"
    """Approved, and the tenant is this installation's."""
    AWAITING_DECISION = "AwaitingDecision"
    """The app's approval mode is Manual, and `spec.approval` names no decision for the request."""
    SUSPENDED = "Suspended"
    """Answered, but the customer may not use the app for now: the trial ended, or Talkdesk stopped the license."""
    SUPERSEDED = "Superseded"
    """Answered, but a newer installation of the account has the tenant."""
    OFFBOARDING = "Offboarding"
    """Being uninstalled."""
    UNINSTALLED = "Uninstalled"
    """Uninstalled and answered; what the tenant retains is kept for a while."""
    REJECTED = "Rejected"
    """Talkdesk has the installation as rejected."""
    TIMED_OUT = "TimedOut"
    """The time for an answer passed without one."""
    GONE = "Gone"
    """Talkdesk does not know the installation any more."""
    PURGED = "Purged"
    """Retention ended; only this record without personal data is left."""
    PAUSED = "Paused"
    """A person paused it."""
    DELETING = "Deleting"
    """A person deleted the object."""


class Answer(Model):
    """The answer to a request, as it was sent to Talkdesk.

    Times have microseconds, so that they can be told apart from what happened within the same second.
    """

    event_id: Id
    """The request's event id."""
    decision: Annotated[Decision, unknown_read_as(Decision.APPROVE, Decision)]
    """Approve or Reject."""
    reason: Annotated[str, Field(max_length=256)] | None = None
    """The reason that was sent to Talkdesk."""
    send_time: Moment | None = None
    """When the call was about to be made; without `deliveryTime`, its outcome is not known yet. Absent when the call
    was certainly not accepted."""
    observed_state: Word | None = None
    """Talkdesk's word for the installation's state, as it was read right before the call."""
    observed_state_time: Moment | None = None
    """When that state had begun, by Talkdesk's clock."""
    delivery_time: Moment | None = None
    """When the answer was known to have reached Talkdesk."""
    result_time: Moment | None = None
    """When Talkdesk's state changed with the answer, by Talkdesk's clock: a later state shows something new."""
    verification_time: Moment | None = None
    """When Talkdesk's own state was seen to agree."""


class EndingReason(StrEnum):
    """How an installation ended."""

    UNINSTALLED = "Uninstalled"
    """The customer uninstalled, and Talkdesk has our answer or no longer waits for it."""
    TIMED_OUT = "TimedOut"
    """Talkdesk gave up waiting for an answer to the installation."""
    REJECTED = "Rejected"
    """Talkdesk has the installation as rejected or failed."""
    GONE = "Gone"
    """Talkdesk does not know the installation any more, or has it as revoked."""


class Ending(Model):
    """The end of an installation."""

    reason: EndingReason
    """Uninstalled, TimedOut, Rejected or Gone. An older operator that does not know the reason can't tell what may be
    deleted: it reports the whole object as InvalidSpec and leaves the account alone."""
    event_id: Id
    """Event id of the request that was the last."""
    time: Moment
    """When it was found out."""


class Retry(Model):
    """The back-off of a failure that is tried again; kept here so that a restart doesn't start over."""

    attempts: Annotated[int, Field(ge=0)]
    """How many attempts failed one after the other."""
    next_attempt_time: Moment
    """When it is tried again; earlier if the spec changes."""
    reason: Word
    """Reason of the last failure."""


class AccountFacts(Model):
    """What Talkdesk says about the customer's account."""

    id: Id
    """The account's id."""
    name: Annotated[str, Field(max_length=512)] | None = None
    """Its unique name, the subdomain."""
    company_name: Annotated[str, Field(max_length=512)] | None = None
    """The company's name."""
    timezone: Word | None = None
    """IANA time zone."""


class SubscriptionFacts(Model):
    """What Talkdesk says of the installation's subscription."""

    type: Word | None = None
    """`trial` or `paid`."""
    name: Annotated[str, Field(max_length=512)] | None = None
    """Name of the plan."""
    licenses: int | None = None
    """Number of licenses."""


class TrialStatus(Model):
    """The trial, from its newest event and, at a resync, from Talkdesk itself."""

    state: Annotated[TrialState, unknown_read_as(TrialState.STARTED, TrialState)]
    """Started, Extended or Ended."""
    last_transition_time: Moment
    """Since when `state` is so."""
    expiration_time: Moment | None = None
    """When it ends or would have ended."""
    ended_reason: Word | None = None
    """Talkdesk's word on why it ended."""


class UsersStatus(Model):
    """The licensed users, in numbers; who they are is never written here."""

    licensed: Annotated[int, Field(ge=0)]
    """Users that Talkdesk lists."""
    synced: Annotated[int, Field(ge=0)] = 0
    """How many of these the SCIM service has as they should be."""
    failed: Annotated[int, Field(ge=0)] = 0
    """How many users the SCIM service refuses; each is tried again at the next resync."""
    complete: bool = True
    """False while the list has not been worked through to its end."""


class CredentialsStatus(Model):
    """The credentials in use."""

    key_id: Word
    """Id of the key that was used last."""
    secret_name: ObjectName | None = None
    """The Secret with the credentials that were used last; another than `spec.credentials` names while Talkdesk refuses
    the newest ones."""
    replacement_time: Moment | None = None
    """Since when previous versions, which those in `spec.credentials` replaced, wait for their deletion; absent when
    none do."""
    acknowledgement_time: Moment | None = None
    """When Talkdesk took our acknowledgement of the credentials in `spec.credentials`, or was seen to want none."""
    acknowledged_event_id: Id | None = None
    """Event id of the rotation that was acknowledged last."""
    refusal_time: Moment | None = None
    """Since when Talkdesk refuses them; absent while it takes them."""


class Transition(Model):
    """One thing that happened to the installation."""

    time: Moment
    """When it happened."""
    reason: Word
    """What happened, as one word: the phase that began."""
    message: Annotated[str, Field(max_length=512)]
    """Why, for people."""


class InstallationStatus(Model):
    """The state of the installation; written by the operator alone."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The `metadata.generation` that this status speaks of."""
    conditions: Conditions = ()
    """Ready, CredentialsValid, TenantReady, Answered, UsersSynced, InSync, DeadlineNear, NotificationsOverdue, and
    kstatus' Reconciling and Stalled."""
    phase: Annotated[InstallationPhase | None, unknown_read_as(None, InstallationPhase)] = None
    """A summary for people: Pending, Provisioning, Answering, Active, AwaitingDecision, Suspended, Superseded,
    Offboarding, Uninstalled, Rejected, TimedOut, Gone, Purged, Paused or Deleting. Code should read the conditions."""
    answer: Answer | None = None
    """The last answer that was sent to Talkdesk."""
    ending: Ending | None = None
    """How the installation ended, if it did; a request with another event id starts it anew."""
    install_time: Moment | None = None
    """When the customer installed (newest Install request); the newest installation of an account has the tenant."""
    retry: Retry | None = None
    """The back-off while something fails; absent while nothing does."""
    deadline: Moment | None = None
    """Until when Talkdesk must have our answer; absent when it waits for none."""
    time_left: Word | None = None
    """The last mark of the app's `deadline.warnBefore` that has passed, such as `under 3d`; `overdue` after the
    deadline."""
    account: AccountFacts | None = None
    """The account's facts when they were last read."""
    subscription: SubscriptionFacts | None = None
    """The subscription's facts when they were last read."""
    trial: TrialStatus | None = None
    """The trial, if there ever was one."""
    users: UsersStatus | None = None
    """The licensed users, in numbers."""
    created_by: Id | None = None
    """Talkdesk's id of the user who installed the app."""
    talkdesk_state: Word | None = None
    """Talkdesk's own word for the installation's state when it was last read, where it is an unusual one."""
    last_handled_reconcile_at: Word | None = None
    """Value of the annotation `{GROUP}/reconcile-requested-at` that was last acted on."""
    tenant_ref: LocalRef | None = None
    """The account's TalkdeskTenant, also while another installation owns it."""
    credentials: CredentialsStatus | None = None
    """The credentials in use."""
    verified_access: Word | None = None
    """Fingerprint of the app's id and hosts, and of its scopes and users' service, with which Talkdesk was read last;
    after an edit of these it is read again at once."""
    notifications: NotificationsStatus | None = None
    """What the app's `notifications` are told of the installation; absent where the app has none."""
    history: Annotated[tuple[Transition, ...], Field(max_length=20, json_schema_extra=ATOMIC)] = ()
    """The last 20 transitions, oldest first."""
