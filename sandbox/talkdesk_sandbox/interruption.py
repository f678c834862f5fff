"""Makes SIGTERM the same as Ctrl-C, once: a second signal can't interrupt the cleanup.

Belongs here: signals. Does not belong here: what is cleaned up.
"""

import signal
from types import FrameType

__all__ = ["Interruption"]


class Interruption:
    """Takes effect when it is made, for the whole process."""

    def __init__(self) -> None:
        self.signal = signal.SIGINT
        """The first signal that came."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._begin)

    def _begin(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt
