"""The programs of one control plane, as their user sees them: started and ended through a supervisor.

Belongs here: the user's side of the pipe. Does not belong here: what must work after the user was killed
(`supervisor`), and which programs there are (`plane`).
"""

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from talkdesk_sandbox.controlplane import supervisor
from talkdesk_sandbox.controlplane.errors import StartFailed

__all__ = ["Processes", "unused_folder"]

_END_WITHIN: Final = 30.0  # seconds; killing takes less than one, removing the data of a long run some


def unused_folder(prefix: str) -> Path:
    """Return the path of a temporary folder that does not exist yet.

    The caller creates it where it is certain to be removed again because a signal can come after any step. The path is
    short because the path of a socket in it must be.
    """
    return Path(tempfile.gettempdir(), f"{prefix}{secrets.token_hex(4)}")


class Processes:
    """Processes that end no later than this one, even after SIGKILL, and a folder that is removed with them."""

    def __init__(self, folder: Path) -> None:
        """Start the supervisor of `folder`, which exists and is removed at the end."""
        self.logs: Final = folder / supervisor.LOGS
        self.pids: Final[dict[str, int]] = {}
        """Process ids by name, to measure or to disturb the processes."""
        self.logs.mkdir()
        with self._log("supervisor").open("wb") as errors:
            self._supervisor = subprocess.Popen(
                # Isolated and without site-packages: it starts in a few hundredths of a second.
                [sys.executable, "-I", "-S", supervisor.__file__, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C at the terminal is for this process, which ends them in order
            )

    def start(self, name: str, argv: list[str]) -> None:
        """Start a program. Raises StartFailed when that is impossible."""
        self._send({"name": name, "argv": argv, "log": str(self._log(name))})
        assert self._supervisor.stdout is not None  # noqa: S101 (Popen was asked for a pipe)
        answer = json.loads(self._supervisor.stdout.readline() or b"{}")
        if "pid" not in answer:
            raise StartFailed(f"cannot start {name}: {answer.get('error') or self.reason()}")
        self.pids[name] = answer["pid"]

    def wait_ended(self, seconds: float | None) -> bool:
        """Wait until a program ends by itself, which ends them all; return whether that happened within the time.

        None means no time limit.
        """
        try:
            self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def reason(self) -> str:
        """Return in one line why they ended by themselves."""
        lines = self._log("supervisor").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "the supervisor was killed"

    def read_log(self, name: str) -> str:
        """Return what a program has written so far."""
        log = self._log(name)
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self, *, keep_logs: bool) -> None:
        """Kill the programs and remove the folder, except for the logs with `keep_logs`."""
        if keep_logs:
            self._send({"keep": True})
        self._close()
        if not self.wait_ended(_END_WITHIN):
            self._supervisor.kill()  # the programs end with it
            self._supervisor.wait()
        # The supervisor has done this already, unless it was killed.
        if self.logs.exists():
            supervisor.remove(self.logs.parent, keep_logs=keep_logs)

    def _send(self, command: dict[str, Any]) -> None:
        assert self._supervisor.stdin is not None  # noqa: S101 (Popen was asked for a pipe)
        # When the supervisor has ended, reading the answer or waiting for the end shows that.
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.write(json.dumps(command).encode() + b"\n")
            self._supervisor.stdin.flush()

    def _close(self) -> None:
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            assert pipe is not None  # noqa: S101 (Popen was asked for a pipe)
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"
