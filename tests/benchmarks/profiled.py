"""Runs one of our programs so that it can be profiled; the product knows nothing of it.

    python profiled.py <profile> <module> [<argument> ...]

SIGUSR1 starts cProfile; the next one stops it and writes the profile, so that the start is not in it.
"""

import cProfile
import runpy
import signal
import sys
import time
from pathlib import Path
from types import FrameType


class Toggle:
    """A profiler with one button."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._profile: cProfile.Profile | None = None

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Start, or stop and write."""
        if self._profile is None:
            # CPU time, not the time of day: what waits for a core, or for the kernel, costs nothing.
            self._profile = cProfile.Profile(time.process_time)
            self._profile.enable()
            return
        self._profile.disable()
        whole = self._target.with_suffix(".part")
        self._profile.dump_stats(whole)
        whole.rename(self._target)


if __name__ == "__main__":
    target, module = sys.argv[1:3]
    signal.signal(signal.SIGUSR1, Toggle(Path(target)).press)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
