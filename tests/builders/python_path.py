"""Where a program that a test starts finds these modules: pytest tells only its own process (`pythonpath`)."""

import os
from pathlib import Path

__all__ = ["path_with_builders"]

_TESTS = Path(__file__).parents[1]


def path_with_builders() -> str:
    """Return a value of PYTHONPATH."""
    return os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))
