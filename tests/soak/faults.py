"""Faults of one line, seeded into copies of our packages: a long run must find each."""

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

_COURIER: Final = "operator/talkdesk_operator/reconcilers/notifications/courier.py"
_SENDS: Final = "lane.failure = await self._send(target, endpoint.url, app, lane.installation, told)"
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
        Mutant(
            "a notification is recorded as delivered before its answer",
            _COURIER,
            _SENDS,
            f"lane.delivered.add(told.id); await self._recorder.record(lane.installation, self); {_SENDS}",
            "",
        ),
        Mutant(
            "the newest notification is sent first",
            _COURIER,
            "next((each for each in waiting if",
            "next((each for each in waiting[::-1] if",
            "",
        ),
        Mutant(
            "each repetition of a notification has an id of its own",
            "operator/talkdesk_operator/domain/notifications/envelope.py",
            "        id=told.id,\n",
            '        id=__import__("uuid").uuid4().hex,\n',
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
