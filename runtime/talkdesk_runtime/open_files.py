"""How many files and connections the process may have open.

Belongs here: the soft limit, which many container runtimes leave at 1024. Does not belong here: how many are needed.
"""

import resource

import structlog

__all__ = ["allow_open_files"]

_log = structlog.stdlib.get_logger(__name__)


def allow_open_files(number: int) -> None:
    """Raise the soft limit to `number` if it is lower; log a warning where the hard limit is lower still."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= number:
        return
    most = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < number:
        _log.warning("process.few_open_files", limit=most, wanted=number)
