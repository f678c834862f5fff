"""What can go wrong with a kind cluster, and how progress is reported.

    KindError
    ├── EngineUnavailable   no Docker engine answers and none can be installed or started; says why
    ├── ToolUnavailable     kind, kubectl or the node image are not there and can't be made; says what is missing
    ├── ClusterFailed       kind could not make the cluster, or another process uses it
    └── CommandFailed       a command ended with another status than 0; has its last lines

Messages are for the person at the terminal.
"""

import sys

__all__ = ["ClusterFailed", "CommandFailed", "EngineUnavailable", "KindError", "ToolUnavailable", "report"]


class KindError(Exception):
    """Something about the cluster does not work; the message says what and what to do."""


class EngineUnavailable(KindError):
    """There is no Docker engine."""


class ToolUnavailable(KindError):
    """A program or the node image can't be had."""


class ClusterFailed(KindError):
    """There is no cluster that can be used."""


class CommandFailed(KindError):
    """A command failed."""


def report(message: str) -> None:
    """Print a message on standard error, so that standard output is only for results."""
    print(f"kind: {message}", file=sys.stderr, flush=True)
