"""How many calls to Talkdesk lie one behind the other in an install, from the simulator's journal; pure."""

import statistics
from collections.abc import Iterable, Sequence

from benchmarks.customers import Install
from talkdesk_sandbox.simulator.views import RecordView

__all__ = ["calls_in_series"]


def calls_in_series(records: Iterable[RecordView], installs: Sequence[Install], delay: float) -> int:
    """Return the median length of the longest chain of calls up to the approval, each after the last one's delay."""
    by_account: dict[str, list[RecordView]] = {install.account: [] for install in installs}
    for record in records:
        if record.account in by_account:
            by_account[record.account].append(record)
    return round(statistics.median(_chain(own, delay) for own in by_account.values()))


def _chain(records: Sequence[RecordView], delay: float) -> int:
    length, free = 0, 0.0
    for record in sorted(records, key=lambda each: each.at):
        at = record.at.timestamp()
        if at >= free:
            length, free = length + 1, at + delay
        if (record.effect or "").startswith("approve"):
            break
    return length
