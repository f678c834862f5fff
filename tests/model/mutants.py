"""Faults of one line that are seeded into the source, one at a time: the model must find each.

Each is a text that stands once in a file and what replaces it. It is put into a copy of the package in a temporary
folder, and the search runs on that in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Mutant", "Verdict", "judge", "report", "say", "seed", "table"]

ROOT = Path(__file__).parents[2]
_FOLDERS = {"operator": "talkdesk_operator", "webhook": "talkdesk_webhook", "crds": "talkdesk_crds"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded fault."""

    what: str
    file: str
    """Below the repository's root."""
    old: str
    new: str
    scene: str
    """The scene that is searched for it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    killed_by: str
    """What was found; empty where it survived."""
    states: int
    seconds: float


def judge(mutant: Mutant, scenes: Sequence[str] = (), *, module: str = "model") -> Verdict:
    """Search a copy of the source with the fault in it; another module is called in the same way as this one."""
    folder, _, inside = mutant.file.partition("/")
    package = _FOLDERS[folder]
    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        shutil.copytree(ROOT / folder / package, Path(scratch, package), ignore=shutil.ignore_patterns("__pycache__"))
        seed(mutant, Path(scratch, inside))
        began = time.monotonic()
        found = _search(scratch, module, scenes or (mutant.scene,))
    return Verdict(mutant, str(found["what"]), int(found["states"]), time.monotonic() - began)


def seed(mutant: Mutant, path: Path) -> None:
    """Put the fault into a file, in which its place must be found exactly once."""
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise LookupError(f"{mutant.what}: {mutant.file} has {text.count(mutant.old)} times {mutant.old!r}")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def _search(scratch: str, module: str, scenes: Sequence[str]) -> dict[str, Any]:
    places = [scratch, str(ROOT / "tests"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    command = [sys.executable, "-m", module, "--json", *scenes]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the search broke off: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(verdicts: Sequence[Verdict]) -> str:
    """Return a table of what became of each mutant."""
    rows = [("mutant", "file", "killed by", "states", "s")]
    for each in verdicts:
        file = each.mutant.file.rpartition("/")[2]
        killed = each.killed_by or "SURVIVED"
        rows.append((each.mutant.what, file, killed, f"{each.states:,}", f"{each.seconds:.0f}"))
    return "\n".join(" | ".join(row) for row in rows)


def say(text: str) -> None:
    """Write a line at once: the next one may take minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def report(mutants: Sequence[Mutant]) -> int:
    """Search for each mutant, print the table, and return 1 where one survived."""
    verdicts = []
    for mutant in mutants:
        verdicts.append(judge(mutant))
        say(table(verdicts[-1:]).splitlines()[1])
    killed = sum(bool(each.killed_by) for each in verdicts)
    seconds = sum(each.seconds for each in verdicts)
    say(f"{killed} of {len(verdicts)} mutants killed, {seconds:.0f} s")
    return int(killed < len(verdicts))
