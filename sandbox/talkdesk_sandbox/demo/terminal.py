"""What the person at the terminal reads: short, aligned, on standard output.

Belongs here: format. Does not belong here: content.
"""

import shlex
import sys
from typing import Final, TextIO

__all__ = ["Terminal"]

_MARGIN: Final = "   "
_LABEL: Final = 14  # characters


class Terminal:
    """Prints headings, facts and the output of commands."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._steps = 0

    def title(self, text: str) -> None:
        """Print the title."""
        self._print(text)

    def step(self, headline: str) -> None:
        """Begin a numbered step."""
        self._steps += 1
        self._print("", f"{self._steps}  {headline}")

    def fact(self, label: str, text: str, seconds: float | None = None) -> None:
        """Print one fact, and how long it took."""
        took = "" if seconds is None else f"  ({seconds:.1f} s)"
        self._print(f"{_MARGIN}{label:<{_LABEL}}  {text}{took}")

    def output(self, command: tuple[str, ...], text: str) -> None:
        """Print a command and its output."""
        self._print("", f"{_MARGIN}$ {shlex.join(command)}", *(f"{_MARGIN}{line}" for line in text.splitlines()), "")

    def lines(self, *lines: str) -> None:
        """Print lines to be copied, without a margin."""
        self._print(*lines)

    def _print(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._out, flush=True)
