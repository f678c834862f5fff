"""Where a program's time went, by package: from a cProfile of it.

Belongs here: adding up. Does not belong here: running the program (`profiled`).

cProfile slows Python code down more than C code, so the shares lean towards whoever makes many small calls.
"""

import pstats
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import wait_until

__all__ = ["report"]

_SHOWN: Final = 24
_OURS: Final = ("talkdesk_operator", "talkdesk_webhook", "talkdesk_runtime", "talkdesk_crds")
_WAITING: Final = ("<method 'poll' of 'select.epoll' objects>", "<built-in method time.sleep>")


def report(program: str, profile: Path, units: int) -> str:
    """Wait for the profile, and lay out its time by package and by function, in ms per unit."""
    wait_until(profile.exists, f"profile of the {program}", 30)
    stats: dict[Any, Any] = pstats.Stats(str(profile)).stats  # type: ignore[attr-defined]  # typeshed lacks it
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for place, (_, calls, own, _, callers) in stats.items():
        if place[2] in _WAITING:
            continue
        name = f"{_package(place[0])}: {Path(place[0]).name}:{place[1]} {place[2]}"
        functions[f"{name} ({calls / units:.1f} calls)"] += own
        if place[0] != "~":
            packages[_package(place[0])] += own
            continue
        # C code has no file: its time is that of the packages that called it.
        for caller, (_, _, there, _) in callers.items():
            packages[_package(caller[0])] += there
    total = sum(packages.values())
    lines = [f"\n{program}: {total / units * 1000:.2f} ms per install under the profiler\n"]
    for title, counts in (("package", packages), ("function", functions)):
        lines.append(f"  ms     by {title}")
        lines += [f"  {own / units * 1000:5.2f}  {name}" for name, own in counts.most_common(_SHOWN)]
    return "\n".join(lines) + "\n"


def _package(file: str) -> str:
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    for ours in _OURS:
        if ours in parts:
            inside = parts[parts.index(ours) :]
            return "/".join(inside[:2]).removesuffix(".py")
    return "C" if file == "~" else f"python: {parts[-2] if 'asyncio' in parts else parts[-1]}"
