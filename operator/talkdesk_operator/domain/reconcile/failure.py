"""A failure as a value: why something did not work, how soon it is tried again, and whose fault it is.

Belongs here: the shape. Does not belong here: what an error of a port means (`error_policy`).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from talkdesk_crds.conditions import Reason

__all__ = ["Failure", "FaultOwner", "RetryClass"]


class RetryClass(StrEnum):
    """How soon a failure is retried."""

    TRANSIENT = "Transient"
    """It is likely to go away by itself within seconds."""
    SLOW = "Slow"
    """Somebody must change something that is not watched: an OAuth scope, a network, something at Talkdesk."""
    TERMINAL = "Terminal"
    """Only a change of a watched object helps, and that starts a reconcile anyway."""


class FaultOwner(StrEnum):
    """Whose fault a failure is. Only what is the customer's own may be answered to the customer's cost."""

    CUSTOMER = "Customer"
    """What Talkdesk says of this one customer can't be used, and no repetition mends it; that is proven."""
    OURS = "Ours"
    """Anything else: the TalkdeskApp, rights, quotas, admission, the cluster, Talkdesk; or it is not known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something did not work, in terms of a condition."""

    reason: Reason
    message: str
    retry_class: RetryClass
    retry_after: timedelta | None = None
    """How long the other side asked us to wait."""
    fixed_delay: timedelta | None = None
    """The exact delay before the retry, instead of a back-off."""
    fault: FaultOwner = FaultOwner.OURS
    """Whose fault it is."""
