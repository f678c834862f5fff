"""Where no thread may wait for the process in which long expressions are evaluated: on the event loop.

Belongs here: that mark, and the signal that takes the place of the wait. Does not belong here: where such work is done
instead (`reconcilers.aside`).

    TakesLong    the evaluation has to be made elsewhere; it is neither an error of the expression nor of its data
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["TakesLong", "here_only", "is_here_only"]

_marked: Final = ContextVar("here_only", default=False)


class TakesLong(Exception):
    """Something takes longer than may be waited for here. Nothing has come of it."""


@contextmanager
def here_only() -> Iterator[None]:
    """Raise TakesLong where an evaluation with variables that are converted within this context takes long."""
    token = _marked.set(True)
    try:
        yield
    finally:
        _marked.reset(token)


def is_here_only() -> bool:
    """Return whether nobody may wait for an evaluation."""
    return _marked.get()
