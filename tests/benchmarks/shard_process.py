"""One of several operators, each on a shard of the accounts: what it has, and what it used by when.

Belongs here: a process and its metrics. Does not belong here: what is measured with several (`shards`).
"""

import os
import signal
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.measuring import cpu_seconds, resident_megabytes, scrape
from benchmarks.programs import serves, start_line
from benchmarks.stage import Stage
from builders.python_path import path_with_builders
from talkdesk_sandbox.demo.programs import LOOPBACK, Ports, side_ports

__all__ = ["ShardProcess", "ended", "started"]

_ENDS_WITHIN: Final = 60.0


class ShardProcess:
    """Made by `started`. Times are seconds since the moment that is handed in; CPU is that of the process."""

    def __init__(self, pid: int, ports: Ports) -> None:
        self._pid = pid
        self._ports = ports
        self.ready = self.idle = self.cpu = self.swept = self.swept_cpu = 0.0
        self.swept_reads = 0.0
        self._reads_before = self._cpu_before = 0.0

    def is_ready(self, began: float) -> bool:
        """Return whether all its accounts are listed and queued; note when that was."""
        if not serves(f"http://{LOOPBACK}:{self._ports.operator_probes}/readyz"):
            return False
        self.ready = self.ready or time.time() - began
        return True

    def is_idle(self, began: float) -> bool:
        """Return whether all that was queued had its turn; note when that was for the first time."""
        waiting = self._sum("workqueue_depth") + self._sum("controller_runtime_active_workers")
        if waiting or self.reconciles() < self.accounts:
            return False
        if not self.idle:
            self.idle, self.cpu = time.time() - began, cpu_seconds(self._pid)
        return True

    @property
    def accounts(self) -> float:
        """Installations that it knows."""
        return self._sum("talkdesk_installations")

    def rss(self) -> float:
        """Return its memory now."""
        return resident_megabytes(self._pid)

    def reconciles(self) -> float:
        """Return how many it has made."""
        return self._sum("controller_runtime_reconcile_total")

    def writes(self) -> float:
        """Return how many write requests it has made to the API server."""
        return self._sum("talkdesk_kubernetes_writes_total")

    def begin_sweep(self) -> None:
        """Note where the sweep begins."""
        self._reads_before, self._cpu_before = self._reads(), cpu_seconds(self._pid)

    def has_swept(self, began: float, share: float) -> bool:
        """Return whether as many installations were read at Talkdesk as that share of its own; note when that was."""
        reads = self._reads() - self._reads_before
        if reads < self.accounts * share:
            return False
        if not self.swept:
            self.swept, self.swept_cpu = time.time() - began, cpu_seconds(self._pid) - self._cpu_before
            self.swept_reads = reads
        return True

    def terminate(self) -> None:
        """Let it end in order."""
        os.kill(self._pid, signal.SIGTERM)

    def _reads(self) -> float:
        return self._sum("talkdesk_api_requests_total", call="installation")

    def _sum(self, metric: str, **labels: str) -> float:
        samples = scrape(f"http://{LOOPBACK}:{self._ports.operator_metrics}/metrics")
        return sum(value for name, has, value in samples if name == metric and labels.items() <= has.items())


def started(stage: Stage, count: int) -> Sequence[ShardProcess]:
    """Start an operator for each of so many shards; wait for none."""
    made = []
    processes = stage.new_operators()
    for index in range(count):
        ports, name = Ports.free(), f"shard {index}"
        settings = side_ports(ports.operator_probes, ports.operator_metrics)
        own = {f"TALKDESK_OPERATOR_{key}": value for key, value in (stage.operator_settings | settings).items()}
        variables = {**own, "SHARD": f"{index}/{count}", "PYTHONPATH": path_with_builders()}
        processes.start(name, list(start_line("builders.pinned_operator", variables)))
        made.append(ShardProcess(processes.pids[name], ports))
    return made


def ended(stage: Stage, shards: Sequence[ShardProcess]) -> None:
    """End them all, and wait for that."""
    for shard in shards:
        shard.terminate()
    stage.operator.wait_ended(_ENDS_WITHIN)
