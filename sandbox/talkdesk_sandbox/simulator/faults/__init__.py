"""What goes wrong on purpose: the kinds of faults, and the pure book that decides which request or event is hit.

Belongs here: fields of faults, matching and counting. Does not belong here: injecting them (`http`, `delivery`).
"""

from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.faults.kinds import (
    ApiFault,
    Delay,
    DeliveryFault,
    Drop,
    Duplicate,
    Empty,
    Fault,
    Hold,
    Huge,
    Lose,
    Malformed,
    Redirect,
    Slow,
    Status,
    Tamper,
    Timeout,
)

__all__ = [
    "ApiFault",
    "Delay",
    "DeliveryFault",
    "Drop",
    "Duplicate",
    "Empty",
    "Fault",
    "FaultBook",
    "Hold",
    "Huge",
    "Lose",
    "Malformed",
    "Redirect",
    "Slow",
    "Status",
    "Tamper",
    "Timeout",
]
