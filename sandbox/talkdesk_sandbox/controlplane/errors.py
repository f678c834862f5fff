"""What can go wrong with the local control plane, and how its progress is reported.

    ControlPlaneError
    ├── ProgramsUnavailable   no programs were found and none can be compiled; says what to install or to set
    ├── BuildFailed           the compiler failed; ends with its last messages
    ├── StartFailed           a program ended, or was not ready in time; names the folder with the logs
    └── KubectlFailed         kubectl ended with another status than 0; has its message

Messages are for the person at the terminal.
"""

import sys

__all__ = ["BuildFailed", "ControlPlaneError", "KubectlFailed", "ProgramsUnavailable", "StartFailed", "report"]


class ControlPlaneError(Exception):
    """Something about the control plane does not work; the message says what and what to do."""


class ProgramsUnavailable(ControlPlaneError):
    """There are no programs and they can't be compiled."""


class BuildFailed(ControlPlaneError):
    """The programs could not be compiled."""


class StartFailed(ControlPlaneError):
    """The control plane did not become ready."""


class KubectlFailed(ControlPlaneError):
    """A kubectl command failed."""


def report(message: str) -> None:
    """Print a message on standard error, so that standard output is only for results."""
    print(f"controlplane: {message}", file=sys.stderr, flush=True)
