"""Posting Kubernetes Events: a report, not state, so that nothing waits for one.

Belongs here: requests for Events. Does not belong here: their form (`event_objects`).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from talkdesk_operator.adapters.kubernetes.event_objects import probe_event
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden

__all__ = ["EventPoster"]


class EventPoster:
    """Posts Events to the API server."""

    def __init__(self, kube: Kube, *, wrote: Callable[[str, str], object]) -> None:
        """Take a connection; `wrote` gets the kind and the verb of each write before it is made."""
        self._kube = kube
        self._wrote = wrote
        self._log = structlog.get_logger("talkdesk_operator.cluster")

    async def post(self, event: Mapping[str, Any]) -> None:
        """Post an Event; a failure is logged and blocks nothing."""
        self._wrote("Event", "create")
        try:
            await self._kube.request("POST", _path(event["metadata"]["namespace"]), body=event)
        except KubeError as error:
            self._log.warning("kube_event.post_failed", reason=event["reason"], error=str(error))

    async def is_refused_by_termination(self, namespace: str, instance: str, now: datetime) -> bool:
        """Return whether no Event can be made in a namespace because it is being deleted; none is made.

        Raises KubeError for whatever else than a right stands in the way.
        """
        body, query = probe_event(namespace, instance, now), {"dryRun": "All"}
        try:
            await self._kube.request("POST", _path(namespace), body=body, query=query)
        except KubeForbidden as error:
            return error.terminating
        return False


def _path(namespace: str) -> str:
    return resource_path("events.k8s.io", "v1", "events", namespace)
