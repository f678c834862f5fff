"""The steps that can come next in a pass: data, with all that the reconciler needs to know.

Belongs here: shapes. Does not belong here: which step comes when (`lifecycle`), what a step does (reconcilers).
"""

from dataclasses import dataclass
from datetime import datetime

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, Ending, InstallationPhase, Request
from talkdesk_operator.domain.reconcile.scope import Failure

__all__ = [
    "Acknowledge",
    "DeactivateUsers",
    "DeleteCredentials",
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
    "Release",
    "Send",
    "Step",
    "SyncUsers",
]


@dataclass(frozen=True, slots=True)
class ReadCredentials:
    """Read the Secret."""


@dataclass(frozen=True, slots=True)
class ReadTalkdesk:
    """Read the installation's state at Talkdesk and, with `facts`, account and subscription."""

    facts: bool
    trial: bool = False
    """Read the trial, too."""


@dataclass(frozen=True, slots=True)
class Provision:
    """Make the tenant as the template says."""


@dataclass(frozen=True, slots=True)
class Offboard:
    """Delete what goes at an uninstall and start the retention."""


@dataclass(frozen=True, slots=True)
class SyncUsers:
    """Read the licensed users, and bring them to the SCIM service where the app has one."""


@dataclass(frozen=True, slots=True)
class DeactivateUsers:
    """Deactivate the tenant's users in the SCIM service."""


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Tell Talkdesk that the rotated credentials are stored and work."""


@dataclass(frozen=True, slots=True)
class DeletePreviousCredentials:
    """Delete the Secrets with sets that the present one replaced."""


@dataclass(frozen=True, slots=True)
class RecordMissedRequest:
    """Put a request into the spec whose event never came."""

    request: Request


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete everything of the tenant."""


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """Put on record that an answer is about to be sent, as its outcome can't be read back later."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Send:
    """Tell Talkdesk."""

    decision: Decision
    reason: str = ""
    """Told with it; an empty one is left out."""


@dataclass(frozen=True, slots=True)
class DeleteCredentials:
    """Delete the installation's Secrets."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Take personal data out of the record."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take our finalizer off; the object goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """End the pass; the status follows from this and the scope."""

    phase: InstallationPhase
    reason: Reason
    message: str
    ready: bool = False
    terminal: bool = False
    """Nothing is left to do, though it is not Ready: an end."""
    stalled: bool = False
    verified: bool = False
    """Talkdesk's own state shows that the request is answered."""
    ending: Ending | None = None
    failure: Failure | None = None
    """What to try again, with back-off."""
    requeue_at: datetime | None = None
    """When to look again."""


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
    | Release
    | Finish
)
