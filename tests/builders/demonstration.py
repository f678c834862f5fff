"""The demonstration as a person starts it: a process with its own temporary files and recognizable descendants."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Demonstration"]


class Demonstration:
    """A context manager around `python -m talkdesk_sandbox.demo`, with a folder of its own for temporary files."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        # Short because the path of a Unix socket must be: pytest's own folders can be too deep.
        self.folder = Path(tempfile.mkdtemp(prefix="demo-"))
        self.output: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "talkdesk_sandbox.demo", *arguments],
            env={**os.environ, **(environment or {}), "TMPDIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def text(self) -> str:
        """The output that was read so far."""
        return "".join(self.output)

    def reads(self, words: str, within: float = 60) -> str:
        """Wait for a line with these words and return it."""
        deadline = time.monotonic() + within
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"{words!r} was not printed:\n{self.text}"
            self.output.append(line)
            if words in line:
                return line

    def ends(self, within: float = 60) -> int:
        """Wait for its end and return the exit status."""
        status = self._process.wait(within)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.output.append(line)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def processes(self) -> dict[int, str]:
        """Return the command lines of all processes that it has started, by process id."""
        found = {}
        for process in Path("/proc").iterdir():
            if not process.name.isdecimal() or int(process.name) == self._process.pid:
                continue
            try:
                command = (process / "cmdline").read_bytes()
                belongs = str(self.folder).encode() in command + (process / "environ").read_bytes()
            except OSError:
                continue  # it has ended meanwhile
            if belongs and command:
                found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def leaves_nothing(self, within: float = 10) -> None:
        """Check that none of its processes and files is left, at the latest after so many seconds."""
        deadline = time.monotonic() + within
        while (remaining := (self.processes(), sorted(self.folder.iterdir()))) != ({}, []):
            assert time.monotonic() < deadline, remaining
            time.sleep(0.05)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)
