"""The steps of a reconcile: values with everything that the reconciler needs in order to do them.

Belongs here: shapes. Does not belong here: which step comes next (`installation.lifecycle`), what a step does
(`reconcilers`).
"""

from dataclasses import dataclass
from datetime import datetime

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, InstallationPhase, Request
from talkdesk_operator.domain.reconcile.scope import Failure

__all__ = [
    "Acknowledge",
    "CheckNamespace",
    "DeactivateUsers",
    "DeleteCredentials",
    "DeleteHistory",
    "DeletePreviousCredentials",
    "Erase",
    "Finish",
    "Offboard",
    "Provision",
    "Purge",
    "ReadCredentials",
    "ReadTalkdesk",
    "RecordAnswer",
    "RecordMissedRequest",
    "RecoverRecord",
    "RemoveFinalizer",
    "Send",
    "Step",
    "SyncUsers",
]


@dataclass(frozen=True, slots=True)
class ReadCredentials:
    """Read the Secret with the credentials."""


@dataclass(frozen=True, slots=True)
class ReadTalkdesk:
    """Read the installation's state at Talkdesk and, with `facts`, account and subscription."""

    facts: bool
    trial: bool = False
    """Read the trial, too."""


@dataclass(frozen=True, slots=True)
class Provision:
    """Apply the tenant's objects as the template says."""


@dataclass(frozen=True, slots=True)
class Offboard:
    """Delete the objects of steps with `onOffboard: Delete`, and start the retention."""


@dataclass(frozen=True, slots=True)
class SyncUsers:
    """Read the licensed users, and sync them to the SCIM service where the app has one."""


@dataclass(frozen=True, slots=True)
class DeactivateUsers:
    """Deactivate the tenant's users in the SCIM service."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledge the rotated credentials to Talkdesk: they are stored and work."""


@dataclass(frozen=True, slots=True)
class DeletePreviousCredentials:
    """Delete the Secrets with credential versions that the current one replaced."""

    sweep: bool = False
    """Whether none is known of: what a late event may have left behind is looked for."""


@dataclass(frozen=True, slots=True)
class RecordMissedRequest:
    """Write a request into the spec whose event never arrived."""

    request: Request


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete all objects of the tenant, and the TalkdeskTenant last."""


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """Record in the status that an answer is about to be sent, because its outcome cannot be read back later."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Send:
    """Send the answer to Talkdesk."""

    decision: Decision
    reason: str = ""
    """Sent with the decision; an empty one is left out."""


@dataclass(frozen=True, slots=True)
class DeleteCredentials:
    """Delete the Secrets with the installation's credentials."""

    sweep: bool = False
    """Whether they were deleted before: what a late event may have left behind is looked for."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Remove personal data from the installation's spec and metadata, and what is recorded of its users."""


@dataclass(frozen=True, slots=True)
class DeleteHistory:
    """Delete the installation's object, exactly as it was read: nothing else is left of it.

    Credentials that a late event may have stored go first, because nobody would find them without the object.
    """

    message: str
    """Why, for an Event."""


@dataclass(frozen=True, slots=True)
class CheckNamespace:
    """Ask whether the installation's namespace is being deleted."""


@dataclass(frozen=True, slots=True)
class RecoverRecord:
    """Search for objects of a tenant whose record is gone, and make the record anew where there are any."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Remove our finalizer, so that the API server can delete the object."""

    left_behind: str = ""
    """What stays in the cluster, to be reported before, where the namespace's own Events are deleted with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """End the reconcile; the status is computed from this and the scope."""

    phase: InstallationPhase
    reason: Reason
    message: str
    ready: bool = False
    terminal: bool = False
    """Nothing is left to do, even if it is not Ready."""
    stalled: bool = False
    """Nothing will change before a person changes something."""
    verified: bool = False
    """Talkdesk's own state shows that the request is answered."""
    delivered: bool = False
    """Talkdesk's own state shows that it has the answer, and what follows from that was not read yet."""
    erased: bool = False
    """Nothing personal may be left: the status loses all of it, whatever brought it there."""
    ending: Ending | None = None
    failure: Failure | None = None
    """What to retry, with back-off."""
    requeue_at: datetime | None = None
    """When to reconcile again at the latest; also beside a retry, or when stalled: the earliest of all counts."""


Step = (
    ReadCredentials
    | ReadTalkdesk
    | RecordMissedRequest
    | Provision
    | SyncUsers
    | DeactivateUsers
    | Acknowledge
    | DeletePreviousCredentials
    | Offboard
    | Purge
    | RecordAnswer
    | Send
    | DeleteCredentials
    | Erase
    | DeleteHistory
    | CheckNamespace
    | RecoverRecord
    | RemoveFinalizer
    | Finish
)
