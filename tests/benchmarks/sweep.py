"""The sweep: every installation compared with Talkdesk and its tenant put right, while new customers install.

The app's `resyncPeriod` is so short that the sweep never ends; what is timed is the span in which every
installation that was there at its beginning has been read once.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from benchmarks.customers import Customers, Install
from benchmarks.figures import Figure, at_most, plain
from benchmarks.installs import Installs
from benchmarks.measuring import by_verb, cpu_seconds, requests_seen, resident_megabytes, wait_until
from benchmarks.scale import Scale
from benchmarks.sending import percentile, send
from benchmarks.stage import APP, WORK, Stage
from talkdesk_sandbox.simulator.views import RecordView

__all__ = ["Sweep"]

_ENDLESS: Final = "1s"
_USUAL: Final = "10m"
_WITHIN: Final = 600.0
_RATE: Final = 1.0
"""New installs per second during the sweep."""


class Sweep:
    """Measures what a sweep takes, and what it costs those who are waited for."""

    def __init__(self, stage: Stage, customers: Customers, scale: Scale) -> None:
        self._stage = stage
        self._customers = customers
        self._scale = scale

    def measure(self) -> list[Figure]:
        """Fill up with installs, sweep, and leave the app as it was."""
        missing = self._scale.sweep - len(self._ids())
        installs = Installs(self._stage, self._customers)
        if missing > 0:
            installs.run(self._customers.install(missing))
        present, newcomers = self._ids(), self._customers.install(self._scale.newcomers)
        self._begin(len(present))
        try:
            return self._sweep(present, newcomers)
        finally:
            self._set_resync(_USUAL)

    def _sweep(self, present: set[str], newcomers: list[Install]) -> list[Figure]:
        cpu, began, asked = self._cpu(), datetime.now().astimezone(), requests_seen(self._stage.api_metrics())
        self._customers.forget()
        sent = send([[each.request] for each in newcomers], connections=4, rate=_RATE)
        wait_until(
            lambda: len(self._customers.approvals(newcomers)) == len(newcomers), "new installs approved", _WITHIN
        )
        wait_until(lambda: present <= set(_reads(self._customers.requests())), "a whole sweep", _WITHIN, every=1)
        used = {name: now - cpu[name] for name, now in self._cpu().items()}
        asked = requests_seen(self._stage.api_metrics()) - asked
        records = self._customers.requests()
        reads = _reads(records)
        seconds = (max(at for name, at in reads.items() if name in present) - began).total_seconds()
        posted = {each.account: sent.began + start for each, start in zip(newcomers, sent.starts, strict=True)}
        firsts = _firsts(records, posted)
        waits = [firsts[name] - at for name, at in posted.items()]
        approved = self._customers.approvals(newcomers)
        whole = [approved[each.installation_id].timestamp() - posted[each.account] for each in newcomers]
        reconciles = sum(record.path.count("/") == _INSTALLATION_PATH and record.method == "GET" for record in records)
        note = f"{len(present)} installations"
        requests, verbs = by_verb(asked, max(reconciles, 1))
        return [
            plain("sweep: all read once in", seconds, "s", note=note),
            plain("sweep: requests to Talkdesk per installation", len(records) / max(reconciles, 1), ""),
            plain("sweep: requests to the API server per installation", requests, "", note=verbs),
            *(
                plain(f"sweep: {name} CPU per installation", used[name] / max(reconciles, 1) * 1000, "ms")
                for name in ("operator", "kube-apiserver", "etcd")
            ),
            plain(
                "sweep: operator's RSS afterwards", resident_megabytes(self._stage.pids["operator"]), "MB", note=note
            ),
            at_most("sweep: a new install's first call to Talkdesk after", max(waits) * 1000, "ms", 1000),
            plain("sweep: a new install's p50 to approval", percentile(whole, 0.5) * 1000, "ms"),
        ]

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._stage.pids.items()}

    def _begin(self, present: int) -> None:
        """Set the resync, and wait until each account has had the reconcile that the change of the app causes."""
        before = self._reconciles()
        self._set_resync(_ENDLESS)
        wait_until(lambda: self._reconciles() - before > present, "the sweep to begin", _WITHIN, every=0.5)

    def _reconciles(self) -> float:
        counted = "controller_runtime_reconcile_total"
        return sum(value for name, _, value in self._stage.operator_metrics() if name == counted)

    def _set_resync(self, span: str) -> None:
        patch = json.dumps({"spec": {"resyncPeriod": span}})
        self._stage.cluster.kubectl(
            "patch", "talkdeskapp", APP, f"--namespace={WORK}", "--type=merge", f"--patch={patch}"
        )

    def _ids(self) -> set[str]:
        items = self._stage.get("talkdeskinstallations", f"--namespace={WORK}")["items"]
        return {item["spec"]["installationId"] for item in items}


_INSTALLATION_PATH: Final = len(["", "apps", "{app}", "installations", "{id}"]) - 1


def _reads(records: Iterable[RecordView]) -> dict[str, datetime]:
    """Return when each installation was first read."""
    first: dict[str, datetime] = {}
    for record in records:
        if record.method == "GET" and record.path.count("/") == _INSTALLATION_PATH and record.installation_id:
            first.setdefault(record.installation_id, record.at)
    return first


def _firsts(records: Iterable[RecordView], accounts: Iterable[str]) -> dict[str, float]:
    """Return when each account first asked for anything, which is its token."""
    first: dict[str, float] = {}
    wanted = set(accounts)
    for record in records:
        if record.account in wanted:
            first.setdefault(record.account, record.at.timestamp())
    return first
