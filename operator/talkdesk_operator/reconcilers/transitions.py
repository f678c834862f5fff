"""Saying what changed of an installation, by Events and the log.

Belongs here: both at once. Does not belong here: which changes are said (`domain.installation.kube_events`).
"""

from collections.abc import Iterable

import structlog

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft

__all__ = ["Transitions"]


class Transitions:
    """Reports of installations."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._log = structlog.get_logger("talkdesk_operator.installation")

    async def report(self, installation: TalkdeskInstallation, events: Iterable[EventDraft]) -> None:
        """Say each of these."""
        namespace, name = installation.key
        for event in events:
            self._log.info(
                "installation.transition",
                reason=event.reason,
                message=event.message,
                namespace=namespace,
                installation=name,
            )
            await self._cluster.emit_event(installation, event)
