"""The end of a process that should have ended, at once and without order.

Belongs here: the last step. Does not belong here: ending in order (`run`).

* Whatever hangs, it is over in time. A task that swallows its cancellation, a library that waits for something, a
  thread in a system call: asyncio and the interpreter would wait for each of them for ever, deaf to signals, with the
  Lease given back or not. So a thread of its own ends the process.
* Of what was in hand when the process was stopped (SIGSTOP), nothing is sent when it goes on after its leadership. A
  fence that was asked right before can't know; but Python runs the handler of SIGCONT before it goes on.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

__all__ = ["end_when_continued", "end_within"]

EXIT_CODE: Final = 1


def end_within(limit: timedelta) -> None:
    """End the process after that time, if it has not ended by itself; the Lease is left to expire."""
    timer = threading.Timer(limit.total_seconds(), _end, [limit])
    timer.name = "last resort"
    timer.daemon = True
    timer.start()


def end_when_continued(has_expired: Callable[[], bool]) -> None:
    """End the process when it goes on after a stop and a leadership of it has expired; call it in the main thread.

    The last caller's question counts: for several leaderships, it is whether any of them has expired.
    """

    def continued(_number: int, _frame: object) -> None:
        if not has_expired():
            return
        try:
            structlog.stdlib.get_logger(__name__).error("operator.stopped_too_long", code=EXIT_CODE)
            sys.stderr.flush()
        finally:  # also when this interrupted the writing of another line, which forbids a second one
            os._exit(EXIT_CODE)

    signal.signal(signal.SIGCONT, continued)


def _end(limit: timedelta) -> None:
    threads = sorted(thread.name for thread in threading.enumerate() if thread is not threading.current_thread())
    structlog.stdlib.get_logger(__name__).error(
        "operator.end_timed_out", seconds=limit.total_seconds(), code=EXIT_CODE, threads=threads
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_CODE)
