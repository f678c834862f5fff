"""The journal of requests that consumers made, so that tests can assert "approved exactly once".

Belongs here: keeping and finding records. Does not belong here: control requests, deliveries, any secret, any body.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

_KEPT = 200_000


@dataclass(slots=True)
class Record:
    """One request."""

    sequence: int
    """Grows by one with each request, also after `clear`."""
    at: datetime
    method: str
    path: str
    account: str | None = None
    """Name of the account whose token or token URL was used."""
    installation_id: str | None = None
    effect: str | None = None
    """What it changed: `approve:completed`, `reject:rejected`, `token`, `acknowledged`, `rotated`."""
    fault: str | None = None
    """Kinds of the faults that hit it, separated by commas."""
    status: int | None = None
    """Status that was sent; None when the connection was cut without an answer or the request is still running."""
    answered: int | None = None
    """Status that the route answered; None when a fault kept the request from the route."""


class Journal:
    """The newest records, oldest first."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=_KEPT)
        self._sequence = 0

    def open(self, at: datetime, method: str, path: str) -> Record:
        """Add a record and return it; whoever serves the request fills it."""
        self._sequence += 1
        record = Record(self._sequence, at, method, path)
        self._records.append(record)
        return record

    def records(self, *, since: int = 0, installation_id: str | None = None, effect: str | None = None) -> list[Record]:
        """Return records after a sequence number, of one installation, with one effect or with the effect's verb."""
        return [
            record
            for record in self._records
            if record.sequence > since
            and installation_id in {None, record.installation_id}
            and (effect is None or effect in {record.effect, (record.effect or "").split(":")[0]})
        ]

    def clear(self) -> None:
        """Remove all records; sequence numbers go on."""
        self._records.clear()
