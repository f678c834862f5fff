"""The end of an installation's object: it is deleted when only the record is left, and released when it is deleted.

Belongs here: these two writes, and what is said before each. Does not belong here: when they are due
(`domain.installation.retention`).
"""

from collections.abc import Callable

import structlog

from talkdesk_crds.conditions import EventReason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.steps import DeleteHistory, RemoveFinalizer

__all__ = ["ObjectEnd"]


class ObjectEnd:
    """Raises KubeConflict when somebody has changed the object since it was read, or KubeError."""

    def __init__(self, cluster: Cluster, reread: Callable[[TalkdeskInstallation], TalkdeskInstallation | None]) -> None:
        """Take the cluster, and what returns the newest known version of an installation, or None."""
        self._cluster = cluster
        self._reread = reread
        self._log = structlog.get_logger("talkdesk_operator.installation")

    async def carry_out(
        self, step: RemoveFinalizer | DeleteHistory, installation: TalkdeskInstallation
    ) -> TalkdeskInstallation | None:
        """Return the installation that its finalizers hold now; None when nothing is to be done about it any more."""
        match step:
            case RemoveFinalizer(left_behind=left_behind):
                if left_behind:
                    await self._report_left_behind(installation, left_behind)
                await self._cluster.remove_finalizer(installation)
                return None
            case DeleteHistory(message=message):
                # A late event may have stored some, and without the object nobody would find them.
                await self._cluster.delete_credentials(installation)
                await self._report_history_ended(installation, message)
                await self._cluster.delete_installation(installation)
                return self._reread(installation)

    async def _report_history_ended(self, installation: TalkdeskInstallation, message: str) -> None:
        namespace, name = installation.key
        self._log.info("installation.history_ended", namespace=namespace, installation=name, message=message)
        event = EventDraft(warning=False, reason=EventReason.HISTORY_ENDED, message=message, action="Delete")
        await self._cluster.emit_event(installation, event)

    async def _report_left_behind(self, installation: TalkdeskInstallation, message: str) -> None:
        namespace, name = installation.key
        self._log.warning("tenant.left_behind", namespace=namespace, installation=name, message=message)
        event = EventDraft(warning=True, reason=EventReason.LEFT_BEHIND, message=message, action="Delete")
        await self._cluster.emit_namespace_event(namespace, event)
