"""A Python program of ours as a child process: started, read while it runs, ended or killed."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from builders.python_path import path_with_builders

WITHIN = 90.0
"""Seconds; two on an idle machine."""
_LAST_LINES = 30  # of a log, when a test fails
NAMELESS = ("unshare", "--user", "--map-user=65532", "--map-group=65532")
"""Runs a command as a user who is in no list of users, as in a container."""


@dataclass
class Child:
    """A running program and what it has logged so far."""

    process: asyncio.subprocess.Process
    log: bytearray = field(default_factory=bytearray)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, module: str, settings: Mapping[str, str], *, by: Sequence[str] = ()) -> Self:
        """Run `python -m module`, perhaps by another command, with these variables and where programs and modules are.

        It has no home and no temporary folder, as in a container.
        """
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        kept["PYTHONPATH"] = path_with_builders()
        process = await asyncio.create_subprocess_exec(
            *by, sys.executable, "-m", module, env={**kept, **settings}, stderr=asyncio.subprocess.PIPE
        )
        made = cls(process)
        made._reading = asyncio.create_task(made._read())
        return made

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait for an event in the log and return its line."""
        async with asyncio.timeout(WITHIN), self._changed:
            while (found := next((line for line in self._lines() if line.get("event") == event), None)) is None:
                assert not self.ended, self.log.decode(errors="replace")[-2000:]
                await self._changed.wait()
            return found

    def last_lines(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.decode(errors="replace").splitlines()[-_LAST_LINES:])

    async def kill(self) -> None:
        """End it by SIGKILL, if it still runs, and wait until it is gone."""
        if not self.ended:
            self.process.kill()
        await self._gone()

    async def terminate(self) -> int:
        """End it in order, if it still runs; return its exit status."""
        if not self.ended:
            self.process.terminate()
        return await self._gone()

    async def _gone(self) -> int:
        status = await self.process.wait()
        if self._reading is not None:
            await self._reading
        return status

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith(b"{") and line.endswith(b"}")]

    async def _read(self) -> None:
        assert self.process.stderr is not None
        while piece := await self.process.stderr.read(65536):
            self.log.extend(piece)
            async with self._changed:
                self._changed.notify_all()
        await self.process.wait()
        async with self._changed:
            self._changed.notify_all()
