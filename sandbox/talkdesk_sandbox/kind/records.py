"""Which clusters on this machine are whose, so that those whose user was killed, or whose checkout is gone, can go too.

A record is a file in the user's cache with the checkout's path and, for a cluster that ends with its user, the process
that uses it. Belongs here: records. Does not belong here: clusters.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from talkdesk_sandbox.kind.checkout import CACHE

__all__ = ["Record", "locked", "records"]

_FOLDER: Final = CACHE / "clusters"


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about a cluster that was made here, or is being made."""

    cluster: str
    checkout: str
    user: int | None
    """Process id of the user with which it ends; None for one that stays until `down`."""
    user_since: str | None
    """When that process began, as the kernel counts: another one may have its id by now."""

    @classmethod
    def of_this_process(cls, cluster: str, checkout: Path, *, stays: bool) -> Self:
        """Return the record of a cluster that this process uses; with `stays`, it stays without a user."""
        user = None if stays else os.getpid()
        return cls(cluster, str(checkout), user, None if user is None else _began(user))

    @property
    def is_stale(self) -> bool:
        """Whether nobody needs the cluster any more."""
        killed = self.user is not None and _began(self.user) != self.user_since
        return killed or not Path(self.checkout).is_dir()

    @property
    def is_used_by_another(self) -> bool:
        """Whether another process that lives uses it."""
        return self.user not in {None, os.getpid()} and not self.is_stale

    def write(self) -> None:
        """Write or replace it."""
        _FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = _FOLDER / f".{self.cluster}.{os.getpid()}"
        unfinished.write_text(json.dumps(asdict(self)))
        unfinished.rename(_FOLDER / f"{self.cluster}.json")

    @staticmethod
    def read(cluster: str) -> "Record | None":
        """Return the record of a cluster, or None."""
        try:
            return Record(**json.loads((_FOLDER / f"{cluster}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @staticmethod
    def remove(cluster: str) -> None:
        """Remove the record of a cluster."""
        (_FOLDER / f"{cluster}.json").unlink(missing_ok=True)


def records() -> list[Record]:
    """Return all records."""
    found = (Record.read(path.stem) for path in sorted(_FOLDER.glob("*.json")))
    return [record for record in found if record is not None]


@contextmanager
def locked(cluster: str) -> Iterator[None]:
    """Hold off other processes that make or remove the same cluster."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / f"{cluster}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _began(process: int) -> str | None:
    """Return the start time of a process in clock ticks since the boot, or None when there is none (Linux alone)."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # Fields after the name, which is in parentheses and may hold spaces: the state, then 18 others.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]
