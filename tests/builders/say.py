"""Figures of a test, for whoever reads its output: they prove nothing by themselves."""

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Say"]

Say: TypeAlias = Callable[[str], None]
"""Prints a line, also where pytest captures."""
