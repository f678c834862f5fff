"""A running operator process whose reconciler only prints what it is asked to do (`shell_program`), or the real one."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from builders import shell_program

# Safe path: the program's folder holds a platform.py.
SHELL = ("-P", shell_program.__file__)
OPERATOR = ("-m", "talkdesk_operator")
WITHIN = 90.0
"""Seconds until what is waited for must have happened; one or two on an idle machine."""


@dataclass
class ShellProcess:
    """The process, and the lines it has printed so far."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, condition: Callable[[], object], *, within: float = WITHIN) -> None:
        async with asyncio.timeout(within):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def prints(self, event: str) -> dict[str, Any]:
        await self.until(lambda: self.all(event))
        return self.all(event)[-1]

    def all(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def reconciles(self, account: str) -> list[list[str]]:
        """Return the causes of each reconcile of an account."""
        return [line["causes"] for line in self.all("reconcile") if line["account"] == account]

    async def probe(self, path: str) -> httpx.Response:
        listener = "metrics" if path == "/metrics" else "probes"
        port = (await self.prints(f"{listener}.listening"))["port"]
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{port}{path}")

    async def metric(self, name: str) -> float:
        lines = (await self.probe("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].split(" ")[0] == name)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), WITHIN)

    async def stopped(self) -> None:
        """Wait until a signal has stopped it."""
        await asyncio.wait_for(asyncio.to_thread(os.waitid, os.P_PID, self.process.pid, _STOPPED), WITHIN)


_STOPPED = os.WSTOPPED | os.WNOWAIT


@asynccontextmanager
async def shell_process(
    kubeconfig: Path, namespace: str, *flags: str, program: Sequence[str] = SHELL
) -> AsyncIterator[ShellProcess]:
    """Start it in a namespace; it is gone at the end, one way or the other."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program),
        *("--kubeconfig", str(kubeconfig), "--namespaces", namespace),
        *("--probe-port", "0", "--probe-bind-address", "127.0.0.1"),
        *("--metrics-port", "0", "--metrics-bind-address", "127.0.0.1", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    it = ShellProcess(process)
    reading = [asyncio.create_task(_read(it, stream)) for stream in (process.stdout, process.stderr)]
    try:
        yield it
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await asyncio.gather(*reading)


async def _read(it: ShellProcess, stream: asyncio.StreamReader | None) -> None:
    assert stream is not None
    while line := await stream.readline():
        it.lines.append(json.loads(line) if line.startswith(b"{") else {"event": line.decode()})
        it.changed.set()
