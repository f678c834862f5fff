"""What a program did to the systems around it, in one order, and faults at a chosen point of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

When: TypeAlias = Literal["before", "after"]
"""Whether a fault comes before the effect, which then never happens, or after it, so that only the answer is lost."""


class Crashed(Exception):
    """The process ended here. It is no KubeError and no TalkdeskError, so nothing of ours may catch it."""


@dataclass
class Fault:
    """What happens beside some requests, or instead of their answer."""

    pattern: str
    happen: Callable[[], object]
    when: When
    count: int
    skip: int

    def takes(self, line: str, when: When) -> bool:
        if when != self.when or self.count == 0 or not re.fullmatch(self.pattern, line):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.count -= 1
        return True


@dataclass
class Journal:
    """Each request as a line, such as `PATCH talkdesktenants/td-1/status`; writes and reads alike."""

    lines: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    reads: frozenset[str] = frozenset({"GET", "LIST", "ASK", "DRY-RUN"})
    """The first words of lines that change nothing."""
    crash: tuple[int, When] | None = None
    """At which write, counted from 1, the process ends."""
    _written: int = 0

    @property
    def writes(self) -> list[str]:
        return [line for line in self.lines if self.is_write(line)]

    def is_write(self, line: str) -> bool:
        return line.split(" ", 1)[0] not in self.reads

    def clear(self) -> None:
        self.lines.clear()

    def fail(self, pattern: str, error: BaseException, when: When = "before", *, count: int = 1, skip: int = 0) -> None:
        """Raise the error at so many requests whose whole line matches the regular expression."""

        def happen() -> None:
            raise error

        self.faults.append(Fault(pattern, happen, when, count, skip))

    def on(self, pattern: str, happen: Callable[[], object], when: When = "before") -> None:
        """Let something else happen at the next request whose whole line matches."""
        self.faults.append(Fault(pattern, happen, when, 1, 0))

    def crash_at(self, write: int, when: When) -> None:
        """End the process at that write, counted from now on."""
        self.crash, self._written = (write, when), 0

    def effect(self, line: str, happen: Callable[[], object]) -> None:
        """Write the line down and let its effect happen, with the faults that were asked for."""
        self.lines.append(line)
        if self.is_write(line):
            self._written += 1
        self._interrupt(line, "before")
        try:
            happen()
        finally:  # the answer that is lost may be a refusal
            self._interrupt(line, "after")

    def _interrupt(self, line: str, when: When) -> None:
        if self.is_write(line) and self.crash == (self._written, when):
            raise Crashed(line)
        for fault in self.faults:
            if fault.takes(line, when):
                fault.happen()
