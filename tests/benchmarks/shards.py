"""Shards: the same customers on one operator, on two and on four, each a process: `make bench ARGS=--shards`.

One customer installs through the real programs; all others are copies of that one, and so is what Talkdesk says of
them (`copies`, `any_talkdesk`). Then the operator ends, and for each number of shards that many operators start at
once, each on its shard; Leases, which take no time that would show, are left out. The traffic is what the API server
counts while annotations are written; others who watch, such as the controller manager, are counted without any operator
and taken off.

Belongs here: the order of things and the figures. Does not belong here: one such process (`shard_process`).
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.copies import Copies, is_copyable
from benchmarks.customers import Customers, Install
from benchmarks.database import database, json_sizes
from benchmarks.figures import Figure, plain
from benchmarks.installs import Installs
from benchmarks.measuring import cpu_seconds, wait_until
from benchmarks.sending import BenchFailed
from benchmarks.shard_process import ShardProcess, ended, started
from benchmarks.stage import APP, WORK, Stage
from talkdesk_crds.names import ANNOTATION_RECONCILE, installation_name

__all__ = ["measure"]

_COUNTS: Final = (1, 2, 4)
_SWEPT: Final = 2_000
"""Installations of all shards together after which a sweep is long enough; each takes as long as the others."""
_WITHIN: Final = 1800.0
_ANNOTATED: Final = 100
_ENDLESS: Final = "1s"
_USUAL: Final = "10m"


def measure(accounts: int) -> list[Figure]:
    """Make so many customers, and look at them with each number of shards. Raises BenchFailed."""
    with Stage() as stage:
        pilot = _installed(stage)
        stage.stop_operator()
        _say("one customer has installed, and is copied")
        empty = database(stage)
        Copies(stage, pilot).make(accounts - 1)
        full = database(stage)
        _let_anybody_be_known(stage, pilot)
        figures = json_sizes(stage)
        others = _watched(stage)
        for count in _COUNTS:
            figures += _with_shards(stage, count, accounts, others)
        compacted = database(stage)
        return [
            *figures,
            plain("etcd: file per customer", (full[0] - empty[0]) / accounts / 1e3, "KB"),
            plain("etcd: in use per customer at the end", (compacted[1] - empty[1]) / accounts / 1e3, "KB"),
        ]


def _installed(stage: Stage) -> Install:
    customers = Customers(stage, stage.read_app().spec.app_id)
    pilot = next(each for each in customers.install(9) if is_copyable(each))
    Installs(stage, customers).run([pilot])
    name = f"talkdeskinstallation/{installation_name(APP, pilot.installation_id)}"
    # What a resync finds is on record then, so that the first one of a copy finds nothing new.
    stage.cluster.kubectl("annotate", name, f"--namespace={WORK}", f"{ANNOTATION_RECONCILE}=now")
    wait_until(
        lambda: "lastHandledReconcileAt" in stage.get(name, f"--namespace={WORK}")["status"],
        "the resync of the first",
        60,
    )
    return pilot


def _let_anybody_be_known(stage: Stage, pilot: Install) -> None:
    """Put a Talkdesk in the simulator's place that says of everybody what it says of the one."""
    name = installation_name(APP, pilot.installation_id)
    status = stage.get(f"talkdeskinstallation/{name}", f"--namespace={WORK}")["status"]
    facts = Path(stage.ca_file.parent, "facts.json")
    facts.write_text(json.dumps(status))
    program = str(Path(__file__).with_name("any_talkdesk.py"))
    stage.replace_talkdesk([sys.executable, program, str(stage.ports.simulator), str(facts)], "/apps/a/installations/i")


def _with_shards(stage: Stage, count: int, accounts: int, others: float) -> list[Figure]:
    _say(f"{count} shards: start")
    api, began = cpu_seconds(stage.pids["kube-apiserver"]), time.time()
    shards = started(stage, count)
    try:
        for shard in shards:
            wait_until(lambda shard=shard: shard.is_ready(began), "a shard to be ready", _WITHIN)  # type: ignore[misc]
        for shard in shards:
            wait_until(lambda shard=shard: shard.is_idle(began), "its accounts' turn", _WITHIN)  # type: ignore[misc]
        api = cpu_seconds(stage.pids["kube-apiserver"]) - api
        found = sum(shard.accounts for shard in shards)
        if found != accounts:
            raise BenchFailed(f"{count} shards have {found} of {accounts} accounts together")
        name = f"{count} shards of {accounts}"
        figures = [
            _slowest(f"{name}: ready", [shard.ready for shard in shards], "s"),
            _slowest(f"{name}: all had their turn", [shard.idle for shard in shards], "s"),
            _slowest(f"{name}: a process's CPU until then", [shard.cpu for shard in shards], "s"),
            plain(f"{name}: kube-apiserver's CPU until then", api, "s"),
            _slowest(f"{name}: a process's RSS", [shard.rss() for shard in shards], "MB"),
            _slowest(f"{name}: accounts of a process", [shard.accounts for shard in shards], ""),
        ]
        _say(f"{count} shards: watches")
        bytes_of_event = (_watched(stage) - others) / 1e3
        figures.append(plain(f"{name}: bytes that all watches bring for one change", bytes_of_event, "KB"))
        _say(f"{count} shards: sweep")
        return [*figures, *_sweep(stage, shards, name, accounts)]
    finally:
        ended(stage, shards)


def _sweep(stage: Stage, shards: Sequence[ShardProcess], name: str, accounts: int) -> list[Figure]:
    """Compare every installation with Talkdesk: from the moment at which each has had the turn that an edit causes."""
    before = {shard: shard.reconciles() for shard in shards}
    _set_resync(stage, _ENDLESS)
    for shard in shards:
        wait_until(
            lambda shard=shard: shard.reconciles() - before[shard] > shard.accounts,  # type: ignore[misc]
            "the sweep to begin",
            _WITHIN,
        )
    api, began = cpu_seconds(stage.pids["kube-apiserver"]), time.time()
    written, asked = sum(shard.writes() for shard in shards), _requests(stage)
    for shard in shards:
        shard.begin_sweep()
    share = min(1.0, _SWEPT / accounts)
    wait_until(lambda: _all_swept(shards, began, share), "a sweep", _WITHIN, every=0.25)
    api = cpu_seconds(stage.pids["kube-apiserver"]) - api
    reads, asked = sum(shard.swept_reads for shard in shards), _requests(stage) - asked
    figures = [
        _slowest(f"{name}: sweep, {share:.0%} of all read in", [shard.swept for shard in shards], "s"),
        _slowest(f"{name}: sweep, a process's CPU for that", [shard.swept_cpu for shard in shards], "s"),
        plain(f"{name}: sweep, CPU per installation", sum(s.swept_cpu for s in shards) / reads * 1e3, "ms"),
        plain(f"{name}: sweep, kube-apiserver's CPU per installation", api / reads * 1e3, "ms"),
        plain(f"{name}: sweep, requests to the API server per installation", asked / reads, ""),
        plain(f"{name}: sweep, writes", sum(shard.writes() for shard in shards) - written, ""),
        _slowest(f"{name}: a process's RSS after it", [shard.rss() for shard in shards], "MB"),
    ]
    _set_resync(stage, _USUAL)
    for shard in shards:
        wait_until(lambda shard=shard: shard.is_idle(began), "the sweep to end", _WITHIN)  # type: ignore[misc]
    return figures


def _all_swept(shards: Sequence[ShardProcess], began: float, share: float) -> bool:
    """Return whether all have that share of theirs; each is asked, so that it notes when."""
    swept = [shard.has_swept(began, share) for shard in shards]
    return all(swept)


def _watched(stage: Stage) -> float:
    """Return the bytes of all watches' events for one change of an installation."""
    names = [each["metadata"]["name"] for each in stage.get("talkdeskinstallations", f"--namespace={WORK}")["items"]]
    before = _event_bytes(stage)
    marked = f"bench={time.time_ns()}"
    changed = names[:: max(1, len(names) // _ANNOTATED)][:_ANNOTATED]
    stage.cluster.kubectl("annotate", "talkdeskinstallations", f"--namespace={WORK}", "--overwrite", *changed, marked)
    time.sleep(2)
    return (_event_bytes(stage) - before) / len(changed)


def _requests(stage: Stage) -> float:
    """Return how many requests of operators the API server has answered: of others, few are like them."""
    return sum(
        value
        for name, labels, value in stage.api_metrics()
        if name == "apiserver_request_total" and labels.get("verb") in {"GET", "POST", "PATCH", "APPLY", "DELETE"}
    )


def _event_bytes(stage: Stage) -> float:
    return sum(
        value
        for name, labels, value in stage.api_metrics()
        if name == "apiserver_watch_events_sizes_sum" and labels.get("resource") == "talkdeskinstallations"
    )


def _slowest(name: str, values: Sequence[float], unit: str) -> Figure:
    """Return the largest of all processes, with those of each behind it."""
    return plain(name, max(values), unit, sorted(values))


def _set_resync(stage: Stage, span: str) -> None:
    patch = json.dumps({"spec": {"resyncPeriod": span}})
    stage.cluster.kubectl("patch", "talkdeskapp", APP, f"--namespace={WORK}", "--type=merge", f"--patch={patch}")


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {time.strftime('%H:%M:%S')} {what}\n")
