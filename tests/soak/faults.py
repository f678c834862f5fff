"""Faults of one line, seeded into copies of our packages: a storm must find each."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from builders.python_path import path_with_builders
from model.mutants import ROOT, Mutant, seed
from model.seeded import MUTANTS

__all__ = ["FAULTS", "seeded"]

_RECEIVER: Final = "webhook/talkdesk_webhook/receiver.py"
FAULTS: Final[Mapping[str, Mutant]] = {
    each.what: each
    for each in (
        Mutant(
            "an event is acknowledged before it is stored",
            _RECEIVER,
            "result = await self._store_record(record)",
            "result, _ = Result.STORED, asyncio.ensure_future(self._store_record(record))",
            "",
        ),
        Mutant(
            "the body of an event is logged",
            _RECEIVER,
            "event_id=head.event_id,\n        )",
            "event_id=head.event_id, body=body.decode(),\n        )",
            "",
        ),
        *(each for each in MUTANTS if each.what == "the retention is over from the beginning"),
    )
}
"""By what each is."""


@contextmanager
def seeded(what: str) -> Iterator[dict[str, str]]:
    """Put a fault into a copy; yield the variables of a program that runs with it. Without a fault there are none."""
    if not what:
        yield {}
        return
    fault = FAULTS[what]
    folder, package, inside = fault.file.split("/", 2)
    with tempfile.TemporaryDirectory(prefix="fault-") as scratch:
        source = ROOT / folder / package
        shutil.copytree(source, Path(scratch, package), ignore=shutil.ignore_patterns("__pycache__"))
        seed(fault, Path(scratch, package, inside))
        yield {"PYTHONPATH": os.pathsep.join((scratch, path_with_builders()))}
