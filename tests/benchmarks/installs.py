"""One run of installs through the real programs: when each was approved, what each process used, what was written.

Belongs here: one sending and what came of it. Does not belong here: rounds, shares, aims.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.customers import Customers, Install
from benchmarks.measuring import Samples, cpu_seconds, requests_seen, wait_until
from benchmarks.sending import send
from benchmarks.stage import Stage
from talkdesk_crds.names import GROUP

__all__ = ["Installed", "Installs"]

_POSTING: Final = 32
"""Connections of Talkdesk's to the webhook."""
_APPROVED_WITHIN: Final = 300.0
_QUIET_WITHIN: Final = 60.0
_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of a run. Times are seconds."""

    count: int
    elapsed: float
    """From the first POST to the arrival of the last approval."""
    latencies: tuple[float, ...]
    """From each POST to the arrival of its approval at Talkdesk."""
    cpu: Mapping[str, float]
    """CPU seconds of each process, from the first POST until the operator had nothing left to do."""
    counted: Mapping[str, float]
    """Writes that the operator counted, by `kind verb`."""
    later: int
    """How many events were answered with 503 at first."""
    seen: Mapping[str, float]
    """Requests that the API server saw, by `group resource/subresource VERB`."""

    @property
    def rate(self) -> float:
        """Installs per second."""
        return self.count / self.elapsed


class Installs:
    """Sends installs and waits until all of them are approved and the operator rests."""

    def __init__(self, stage: Stage, customers: Customers) -> None:
        self._stage = stage
        self._customers = customers

    def run(self, installs: Sequence[Install], *, rate: float = 0) -> Installed:
        """Post them all at once, or at `rate` per second. Raises BenchFailed when not all are approved."""
        self._customers.forget()
        cpu, counted, seen = self._cpu(), self._counted(), self._seen()
        sent = send([[install.request] for install in installs], connections=_POSTING, rate=rate)
        wait_until(lambda: self._approved(installs), "all installs approved", _APPROVED_WITHIN, every=0.5)
        approved = self._customers.approvals(installs)
        wait_until(self._rests, "an operator at rest", _QUIET_WITHIN, every=0.2)
        # The sender takes installs in order, so the n-th start is the n-th install's.
        posted = {i.installation_id: sent.began + start for i, start in zip(installs, sent.starts, strict=True)}
        latencies = [approved[name].timestamp() - at for name, at in posted.items()]
        last = max(at.timestamp() for at in approved.values())
        return Installed(
            len(installs),
            last - sent.began,
            tuple(latencies),
            {name: used - cpu[name] for name, used in self._cpu().items()},
            _difference(self._counted(), counted),
            sent.later,
            _difference(self._seen(), seen),
        )

    def _approved(self, installs: Sequence[Install]) -> bool:
        return len(self._customers.approvals(installs)) == len(installs)

    def _rests(self) -> bool:
        busy = {"workqueue_depth", "controller_runtime_active_workers"}
        return not any(value for name, _, value in self._stage.operator_metrics() if name in busy)

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._stage.pids.items()}

    def _counted(self) -> Counter[str]:
        return _sum(self._stage.operator_metrics(), "talkdesk_kubernetes_writes_total", "{kind} {verb}")

    def _seen(self) -> Counter[str]:
        return requests_seen(self._stage.api_metrics())


def operators_own(seen: Mapping[str, float]) -> float:
    """Return the writes beside tenants' objects that are the operator's, from what the API server saw.

    The webhook's create of the TalkdeskInstallation is subtracted; nothing else writes our kinds, or Events here. The
    app's status, which counts its tenants now and then, belongs to no install.
    """
    total = 0.0
    for name, count in seen.items():
        group, resource, verb = name.split(" ")
        ours = group in {GROUP, "events.k8s.io"} and verb in _CHANGES
        beside = resource.startswith("talkdeskapps/") or (resource, verb) == ("talkdeskinstallations/", "POST")
        total += count if ours and not beside else 0
    return total


def _sum(samples: Samples, name: str, form: str) -> Counter[str]:
    totals: Counter[str] = Counter()
    for found, labels, value in samples:
        if found == name:
            totals[form.format(**labels)] += value  # type: ignore[assignment]  # a Counter of floats
    return totals


def _difference(after: Counter[str], before: Counter[str]) -> dict[str, float]:
    return {name: value - before[name] for name, value in after.items() if value != before[name]}
