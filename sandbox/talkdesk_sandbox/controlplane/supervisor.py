"""The process between a control plane and its user: it starts the programs and ends them whatever happens.

Run as a script with a folder as its argument, with the standard library only. Reads commands, a JSON object a line:
`{"name", "argv", "log"}` starts a program and is answered by `{"pid"}` or `{"error"}`; `{"keep": true}` keeps the
logs. The end of the input means that the user has ended, killed or not: the programs are killed because their data are
not needed any more, and the folder is removed. The same happens, with status 1 and keeping the logs, when a program
ends by itself.

Belongs here: what must work when the process that uses the control plane was killed. Does not belong here: which
programs there are, and when they are ready.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["LOGS", "main", "remove"]

LOGS: Final = "logs"
"""The part of the folder that may be kept."""

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)


class _Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._keep = False
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def run(self) -> int:
        """Carry out commands until the input or a program ends; return the exit status."""
        wakeup = _wake_on_signals()
        pending = b""
        while True:
            ready, _, _ = select.select([0, wakeup], [], [])
            if wakeup in ready:
                if signal.SIGTERM in os.read(wakeup, 256):
                    return 0
                if self._ended():
                    self._keep = True
                    return 1
            if 0 in ready:
                received = os.read(0, 65536)
                if not received:
                    return 0
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    self._carry_out(json.loads(line))

    def clean_up(self) -> None:
        """Kill what was started and remove the folder."""
        for child in self._children.values():
            child.kill()
        for child in self._children.values():
            child.wait()
        remove(self._folder, keep_logs=self._keep)

    def _carry_out(self, command: dict[str, object]) -> None:
        match command:
            case {"keep": bool() as keep}:
                self._keep = keep
            case {"name": str() as name, "argv": list() as argv, "log": str() as log}:
                # The user may have been killed meanwhile; then the end of the input comes next.
                with contextlib.suppress(BrokenPipeError):
                    print(json.dumps(self._start(name, [str(argument) for argument in argv], log)), flush=True)
            case _:
                raise ValueError(f"no command: {command}")

    def _start(self, name: str, argv: list[str], log: str) -> dict[str, object]:
        try:
            with Path(log).open("ab") as output:
                child = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    preexec_fn=self._end_with_supervisor,  # noqa: PLW1509 (this process has one thread)
                )
        except OSError as error:
            return {"error": str(error)}
        self._children[name] = child
        return {"pid": child.pid}

    def _end_with_supervisor(self) -> None:
        # In case this process is killed too. On other systems than Linux the programs would then be left behind.
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def _ended(self) -> bool:
        for name, child in self._children.items():
            if child.poll() is not None:
                print(f"{name} ended with status {child.returncode}", file=sys.stderr, flush=True)
                return True
        return False


def remove(folder: Path, *, keep_logs: bool) -> None:
    """Remove the folder, or all of it but the logs: data and keys are removed in any case."""
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path.is_dir() and path.name != LOGS:
            shutil.rmtree(path, ignore_errors=True)
        elif not path.is_dir():
            path.unlink(missing_ok=True)


def _wake_on_signals() -> int:
    """Return a descriptor from which a signal's number can be read: a child has ended, or this process must end."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # without a handler nothing is written to the descriptor
    return read


def main() -> int:
    """Supervise one control plane."""
    supervisor = _Supervisor(Path(sys.argv[1]))
    try:
        return supervisor.run()
    finally:
        supervisor.clean_up()


if __name__ == "__main__":
    sys.exit(main())
