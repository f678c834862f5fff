"""Figures with their aims, the table that a person reads, and the JSON that a machine does.

Belongs here: form. Does not belong here: how a figure is found.
"""

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["Figure", "at_least", "at_most", "machine", "plain", "table", "write"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; with several rounds it is their median."""

    name: str
    value: float
    unit: str
    aim: str = ""
    met: bool | None = None
    rounds: tuple[float, ...] = ()
    note: str = ""


def plain(name: str, value: float, unit: str, rounds: Sequence[float] = (), note: str = "") -> Figure:
    """Return a figure without an aim."""
    return Figure(name, value, unit, rounds=tuple(rounds), note=note)


def at_least(name: str, value: float, unit: str, aim: float, rounds: Sequence[float] = (), note: str = "") -> Figure:
    """Return a figure that is good when it is high."""
    return Figure(name, value, unit, f">= {aim:g}", value >= aim, tuple(rounds), note)


def at_most(name: str, value: float, unit: str, aim: float, rounds: Sequence[float] = (), note: str = "") -> Figure:
    """Return a figure that is good when it is low."""
    return Figure(name, value, unit, f"<= {aim:g}", value <= aim, tuple(rounds), note)


def table(figures: Sequence[Figure]) -> str:
    """Lay the figures out in columns, the rounds behind their median."""
    rows = [("", "figure", "aim", "", "rounds")]
    words = {None: "", True: "met", False: "MISSED"}
    for figure in figures:
        rounds = " ".join(f"{each:.3g}" for each in figure.rounds) if len(figure.rounds) > 1 else ""
        behind = "; ".join(part for part in (rounds, figure.note) if part)
        rows.append((figure.name, f"{_number(figure.value)} {figure.unit}", figure.aim, words[figure.met], behind))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def machine() -> dict[str, Any]:
    """Return what the figures depend on beside our code."""
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memoryBytes": memory,
        "loadAverageBefore": os.getloadavg()[0],
        "pythonMilliseconds": round(_python_milliseconds(), 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("kopf", "httpx", "aiohttp", "pydantic", "uvicorn", "kubernetes")},
    }


def write(folder: Path, began: datetime, facts: dict[str, Any], figures: Sequence[Figure]) -> Path:
    """Write the JSON, named after the moment of the run; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{began:%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps({**facts, "figures": [asdict(figure) for figure in figures]}, indent=2) + "\n")
    return path


def _python_milliseconds() -> float:
    """Return the CPU time of a fixed piece of work, by which runs on machines of different speed can be compared."""
    document = {f"key{number}": [number, str(number), {"nested": number}] for number in range(200)}
    began = time.process_time()
    for _ in range(100):
        json.loads(json.dumps(document, sort_keys=True))
    return (time.process_time() - began) * 1000


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
