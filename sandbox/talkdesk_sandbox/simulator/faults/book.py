"""The fault book: which faults are set, and which request or event each of them hits.

Belongs here: matching, counting and chance, all pure. Does not belong here: what a fault does.
"""

import random
from fnmatch import fnmatchcase

from talkdesk_sandbox.simulator.faults.kinds import ApiFault, ApiRule, DeliveryFault, DeliveryRule, Rule


class FaultBook:
    """The faults that are set, and how often each has matched and hit."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: dict[int, ApiFault | DeliveryFault] = {}
        self._matches: dict[int, int] = {}
        self._hits: dict[int, int] = {}
        self._next = 1
        self._rng = random.Random(seed)  # noqa: S311 - chance, not secrecy; seeded so that a run can be repeated

    def set(self, fault: ApiFault | DeliveryFault) -> int:
        """Add a fault and return its number."""
        number, self._next = self._next, self._next + 1
        self._faults[number], self._matches[number], self._hits[number] = fault, 0, 0
        return number

    def clear(self, number: int | None = None) -> bool:
        """Remove one fault or all; return False when there is none of that number."""
        if number is None:
            self._faults.clear()
            return True
        return self._faults.pop(number, None) is not None

    def listed(self) -> list[tuple[int, ApiFault | DeliveryFault, int]]:
        """Return number, fault and hits of each fault that is set."""
        return [(number, fault, self._hits[number]) for number, fault in self._faults.items()]

    def on_request(self, method: str, path: str) -> list[ApiFault]:
        """Return the faults that hit a request, and count them."""
        return [
            fault
            for number, fault in list(self._faults.items())
            if isinstance(fault, ApiRule) and _routes(fault.route, method, path) and self._hit(number, fault)
        ]

    def on_delivery(self, event_type: str, installation_id: str) -> list[DeliveryFault]:
        """Return the faults that hit a delivery, and count them."""
        return [
            fault
            for number, fault in list(self._faults.items())
            if isinstance(fault, DeliveryRule)
            and fnmatchcase(event_type, fault.event)
            and fnmatchcase(installation_id, fault.installation)
            and self._hit(number, fault)
        ]

    def _hit(self, number: int, fault: Rule) -> bool:
        self._matches[number] += 1
        if self._matches[number] <= fault.skip or self._hits[number] == fault.count:
            return False
        if fault.probability < 1 and self._rng.random() >= fault.probability:
            return False
        self._hits[number] += 1
        return True


def _routes(pattern: str, method: str, path: str) -> bool:
    wanted, _, glob = pattern.rpartition(" ")
    return wanted.upper() in {"", "*", method} and fnmatchcase(path, glob)
