"""Two objects for one installation of Talkdesk's: the one that Talkdesk's events find by its name counts.

The API server refuses a new object of another name in words; one that was made before that rule may be there still, and
the next event then makes a second object.

Belongs here: which objects don't count, and what is said about them. Does not belong here: roles (ownership).
"""

from collections.abc import Mapping, Sequence

from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import installation_name
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass

__all__ = ["duplicates", "report"]


def duplicates(installations: Sequence[TalkdeskInstallation]) -> dict[str, str]:
    """Return, by the name of each object that does not count, the name of the one that counts in its place."""
    there = {i.metadata.name: i.spec.installation_id for i in installations}
    proper = {
        i.metadata.name: installation_name(i.spec.app_ref.name, i.spec.installation_id)
        for i in installations
        if i.metadata.deletion_timestamp is None
    }
    return {name: own for name, own in proper.items() if name != own and there.get(own) == there[name]}


def report(installation: TalkdeskInstallation, duplicated: Mapping[str, str]) -> Failure | None:
    """Return what is wrong with an object that does not count; None for any other."""
    name = installation.metadata.name
    if name not in duplicated:
        return None
    message = (
        f"Talkdesk's events for this installation are stored in the TalkdeskInstallation {duplicated[name]}, which"
        " counts: if that one needs the credentials, name them in its spec.credentials and label their Secret with its"
        " name; then delete this object"
    )
    return Failure(Reason.DUPLICATE, message, RetryClass.TERMINAL)
