"""The content of a Kubernetes Event, as `Cluster.emit_event` takes it.

Belongs here: the value. Does not belong here: what is worth an Event (`installation.kube_events`).
"""

from dataclasses import dataclass

__all__ = ["EventDraft"]


@dataclass(frozen=True, slots=True)
class EventDraft:
    """The content of a Kubernetes Event."""

    warning: bool
    """Whether its type is Warning; otherwise it is Normal."""
    reason: str
    message: str
    action: str
    """What the operator was doing, in one word."""
