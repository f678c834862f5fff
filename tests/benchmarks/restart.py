"""A new start of the operator with many customers, on a real API server: `make bench ARGS=--start`.

Belongs here: from the start of the process to the approval of an install that is posted at that moment, all customers
having installed before through the real programs. Does not belong here: the operator's own part by itself (`start`).
"""

import sys
import time
from typing import Final

from benchmarks.customers import Customers
from benchmarks.figures import Figure, at_most, plain
from benchmarks.installs import Installs
from benchmarks.measuring import Samples, cpu_seconds, resident_megabytes, wait_until
from benchmarks.sending import send
from benchmarks.stage import Stage

__all__ = ["measure"]

_SECONDS: Final = 15
"""The aim at 10,000; linear beyond, and no less below: a process takes some seconds to import."""
_AT_ONCE: Final = 250
"""Installs before the next are posted, so that none waits until it is late."""
_WITHIN: Final = 600.0


def measure(accounts: int) -> list[Figure]:
    """Let so many customers install, start the operator anew, and post an install. Raises BenchFailed."""
    with Stage() as stage:
        customers = Customers(stage, stage.read_app().spec.app_id)
        installs = Installs(stage, customers)
        for done in range(0, accounts, _AT_ONCE):
            sys.stderr.write(f"bench: {time.strftime('%H:%M:%S')} {done} of {accounts} customers have installed\n")
            installs.run(customers.install(min(_AT_ONCE, accounts - done)))
        return _restart(stage, customers, accounts)


def _restart(stage: Stage, customers: Customers, accounts: int) -> list[Figure]:
    (newcomer,) = customers.install(1)
    stage.stop_operator()
    customers.forget()
    api = cpu_seconds(stage.pids["kube-apiserver"])
    began = time.time()
    stage.start_operator()
    send([[newcomer.request]], connections=1)
    wait_until(lambda: bool(customers.approvals([newcomer])), "the first install approved", _WITHIN, every=0.2)
    seconds = customers.approvals([newcomer])[newcomer.installation_id].timestamp() - began
    pid = stage.pids["operator"]
    used, api_used = cpu_seconds(pid), cpu_seconds(stage.pids["kube-apiserver"]) - api
    name = f"start with {accounts}"
    aim = _SECONDS * max(1.0, accounts / 10_000)
    lag = _largest(stage.operator_metrics(), "talkdesk_event_loop_lag_seconds")
    return [
        at_most(f"{name}: first new install approved", seconds, "s", aim, note="wall time, from the process's start"),
        plain(f"{name}: operator's CPU until then", used, "s"),
        plain(f"{name}: kube-apiserver's CPU until then", api_used, "s"),
        plain(f"{name}: longest lag of the loop, wall time", lag, "s"),
        plain(f"{name}: RSS", resident_megabytes(pid), "MB"),
    ]


def _largest(samples: Samples, name: str) -> float:
    return max((value for found, _, value in samples if found == name), default=0.0)
