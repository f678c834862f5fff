"""The Docker engine.

Belongs here: asking it. Does not belong here: how one is installed and started (`sandbox/kind/docker-engine`).
"""

import subprocess
from typing import Final

from talkdesk_sandbox.kind.checkout import SCRIPTS
from talkdesk_sandbox.kind.commands import run, succeeds
from talkdesk_sandbox.kind.errors import CommandFailed, EngineUnavailable, report

__all__ = ["answers", "containers", "docker", "ensure_engine", "image_id", "release_engine"]

_SCRIPT: Final = SCRIPTS / "docker-engine"
_CANNOT: Final = 3  # its exit status when there can't be an engine


def ensure_engine() -> None:
    """Make sure that a Docker engine answers; install and start one if needed. Raises EngineUnavailable."""
    done = subprocess.run([_SCRIPT, "start"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    *progress, last = done.stderr.strip().splitlines() or [""]
    if done.returncode != 0:
        raise EngineUnavailable(last.removeprefix("docker-engine: "))
    for line in filter(None, (*progress, last)):
        report(line.removeprefix("docker-engine: "))


def release_engine() -> None:
    """End the engine if it was started here and no container runs in it."""
    run([_SCRIPT, "stop"], shown=True)


def answers() -> bool:
    """Return whether an engine answers."""
    return succeeds(["docker", "info"], within=10)


def docker(*arguments: str, stdin: str = "", within: float | None = None) -> str:
    """Run docker and return its standard output. Raises CommandFailed."""
    return run(["docker", *arguments], stdin=stdin, within=within)


def image_id(name: str) -> str | None:
    """Return the id of a local image, or None."""
    try:
        return docker("image", "inspect", "--format={{.Id}}", name).strip()
    except CommandFailed:
        return None


def containers(cluster: str, *, running: bool = False) -> list[str]:
    """Return the names of the containers of a kind cluster; with `running`, of those that run."""
    label = f"label=io.x-k8s.kind.cluster={cluster}"
    return docker("ps", *([] if running else ["--all"]), f"--filter={label}", "--format={{.Names}}").split()
