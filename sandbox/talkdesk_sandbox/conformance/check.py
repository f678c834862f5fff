"""What a check is.

Belongs here: what all checks share. Does not belong here: any one of them, and how they end (`messages`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from talkdesk_sandbox.conformance.play import Play

__all__ = ["Check", "Source"]


class Source(StrEnum):
    """Where a requirement comes from."""

    BROKER = "Open Service Broker API"
    WEBHOOKS = "Standard Webhooks"
    OURS = "Talkdesk operator"


@dataclass(frozen=True)
class Check:
    """One requirement."""

    name: str
    source: Source
    rule: str
    """The requirement, as one sentence."""
    play: Callable[[Play], Awaitable[None]]
    """Raises Failed or Skipped."""
    needs: tuple[str, ...] = ("provision",)
    """Checks without which this one says nothing."""
