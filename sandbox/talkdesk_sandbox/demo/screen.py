"""What the person at the terminal sees: short, aligned, on standard output.

Belongs here: form. Does not belong here: what is told.
"""

import shlex
import sys
from typing import Final, TextIO

__all__ = ["Screen"]

_MARGIN: Final = "   "
_LABEL: Final = 14  # characters


class Screen:
    """Prints headings, facts and the output of commands."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._steps = 0

    def title(self, text: str) -> None:
        """Begin."""
        self._print(text)

    def step(self, headline: str) -> None:
        """Begin a numbered step."""
        self._steps += 1
        self._print("", f"{self._steps}  {headline}")

    def fact(self, label: str, text: str, seconds: float | None = None) -> None:
        """Tell one thing, and how long it took."""
        took = "" if seconds is None else f"  ({seconds:.1f} s)"
        self._print(f"{_MARGIN}{label:<{_LABEL}}  {text}{took}")

    def output(self, command: tuple[str, ...], text: str) -> None:
        """Show a command and what it printed."""
        self._print("", f"{_MARGIN}$ {shlex.join(command)}", *(f"{_MARGIN}{line}" for line in text.splitlines()), "")

    def lines(self, *lines: str) -> None:
        """Print lines to be copied, without a margin."""
        self._print(*lines)

    def _print(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._out, flush=True)
