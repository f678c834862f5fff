"""Our three programs as child processes, called as in a cluster.

Belongs here: command lines, environments, and whether they serve. Does not belong here: the cluster they work on.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["serves", "start_line"]

_PROFILED: Final = Path(__file__).with_name("profiled.py")


def start_line(module: str, environment: dict[str, str], *arguments: str, profile: Path | None = None) -> Sequence[str]:
    """Return the command that runs `python -m module`; with `profile`, under a profiler that writes there at the end.

    Nothing of the person's environment goes along, no settings that happen to be exported, no proxy; but for
    PYTHONPATH, by which another checkout can be measured.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
    pairs = [f"{name}={value}" for name, value in {**kept, "PYTHONUTF8": "1", **environment}.items()]
    how = ["-m", module] if profile is None else [str(_PROFILED), str(profile), module]
    return ["env", "-i", *pairs, sys.executable, *how, *arguments]


def serves(url: str) -> bool:
    """Return whether a GET is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
