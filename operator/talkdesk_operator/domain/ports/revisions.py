"""The port to the revisions of apps' templates, which are kept in the cluster.

Every method raises the errors of `talkdesk_runtime.kube_errors` and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from talkdesk_crds.app import TalkdeskApp

__all__ = ["Revision", "RevisionStore"]


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of an app's template."""

    name: str
    number: int
    """Revisions are numbered in the order in which they came."""
    content: Mapping[str, Any] = field(repr=False)
    uid: str = ""


class RevisionStore(Protocol):
    """Where revisions are kept."""

    async def list(self, app: TalkdeskApp) -> Sequence[Revision]:
        """Return all revisions of exactly this app, by their numbers."""
        ...

    async def read(self, app: TalkdeskApp, name: str) -> Mapping[str, Any] | None:
        """Return the content of a revision; None when there is none of that name."""
        ...

    async def create(self, app: TalkdeskApp, revision: Revision) -> None:
        """Keep a revision, which goes with its app; one of that name that is there already stays as it is."""
        ...

    async def delete(self, app: TalkdeskApp, revision: Revision) -> None:
        """Delete exactly this one; one that is gone is as good as deleted."""
        ...
