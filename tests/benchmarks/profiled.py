"""Runs one of our programs so that it can be profiled; the product knows nothing of it.

    python profiled.py <profile> <module> [<argument> ...]

SIGUSR1 starts to take samples; the next one stops it and writes them, so that the start is not among them. A sample is
taken for each so much CPU time (not time of day: what waits for a core or for the kernel costs nothing), and costs so
little that the program runs as it does without.
"""

import json
import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.002
"""Seconds of CPU time between samples; longer than a tick of the kernel's, which is what the timer counts in."""


class Sampler:
    """A profiler with one button."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._stacks: Counter[tuple[str, ...]] = Counter()
        self._began: float | None = None

    def press(self, _number: int, _frame: FrameType | None) -> None:
        """Start, or stop and write."""
        if self._began is None:
            self._began = time.process_time()
            signal.signal(signal.SIGPROF, self._sample)
            signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        whole = self._target.with_suffix(".part")
        stacks = [{"stack": stack, "samples": number} for stack, number in self._stacks.items()]
        whole.write_text(json.dumps({"cpu": time.process_time() - self._began, "stacks": stacks}))
        whole.rename(self._target)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
            frame = frame.f_back
        self._stacks[tuple(stack)] += 1


if __name__ == "__main__":
    target, module = sys.argv[1:3]
    signal.signal(signal.SIGUSR1, Sampler(Path(target)).press)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
