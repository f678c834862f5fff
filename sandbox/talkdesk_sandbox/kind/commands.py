"""Running the programs of others: docker, kind, and the scripts of `sandbox/kind`.

Belongs here: starting them, and what their failure looks like. Does not belong here: which arguments they get.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.cluster import Cluster
from talkdesk_sandbox.controlplane.errors import KubectlFailed
from talkdesk_sandbox.kind.errors import CommandFailed

__all__ = ["kubectl_until_it_works", "run", "succeeds"]

_LAST_LINES: Final = 15  # of what a command wrote, in an error


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    within: float | None = None,
    environment: Mapping[str, str] | None = None,
    shown: bool = False,
) -> str:
    """Run a command and return its standard output; with `shown`, its standard error goes to ours.

    Ctrl-C at the terminal is for this process, which then ends the command and all that it has started.
    Raises CommandFailed when it fails, takes longer than `within` seconds, or does not exist.
    """
    words = shlex.join(str(word) for word in command)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"{words}: {error.strerror}") from None
    with process:
        try:
            output, errors = process.communicate(stdin, within)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise CommandFailed(f"{words}: not done within {within:.0f} s") from None
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        raise CommandFailed("\n".join([f"{words}: status {process.returncode}", *_last(errors or output)]))
    return output


def succeeds(command: Sequence[str | Path], *, within: float) -> bool:
    """Return whether a command ends with status 0 within some seconds."""
    try:
        run(command, within=within)
    except CommandFailed:
        return False
    return True


def kubectl_until_it_works(cluster: Cluster, *arguments: str, within: float) -> str:
    """Run kubectl again and again for some seconds; return its output. Raises KubectlFailed of the last attempt."""
    end = time.monotonic() + within
    while True:
        try:
            return cluster.kubectl(*arguments)
        except KubectlFailed:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last(output: str) -> list[str]:
    return output.strip().splitlines()[-_LAST_LINES:]
