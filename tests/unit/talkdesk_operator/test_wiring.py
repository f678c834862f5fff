"""The composition root on a scripted API server: what is connected to what, and that all of it is closed."""

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from typing_extensions import override

from builders.kube_api import connect
from builders.manual_clock import ManualClock
from builders.our_kinds_api import PLURALS, OurKindsApi, our_kinds_api
from builders.raw_objects import app, installation, tenant
from builders.serving import until
from talkdesk_crds.names import FIELD_MANAGER, LABEL_APP, LABEL_MANAGED_BY, LABEL_TENANT, MANAGED_BY
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.observability.metrics import Metrics
from talkdesk_operator.process.controller import Parts
from talkdesk_operator.settings import Settings
from talkdesk_operator.wiring import build_reconciler, run
from talkdesk_operator.workqueue.queue import Cause, Reconcile, Result, WorkQueue
from talkdesk_runtime.fence import Fence

KEY = AccountKey("team", "sentiment", "a1")
ITSELF = AccountKey.of_app("team", "sentiment")
FACTS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "facts",
        "namespace": "x",
        "uid": "u1",
        "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: "sentiment", LABEL_TENANT: "sentiment-a1"},
        "managedFields": [
            {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:data": {}}, "time": "2026-05-01T10:00:00Z"}
        ],
    },
}
"""An object of the tenant's, as an apply of ours left it."""
PLANNED = {"step": "base", "version": "v1", "kind": "ConfigMap", "namespace": "x", "name": "facts"}


class BrokenQueue(WorkQueue):
    """A queue that takes nothing."""

    @override
    def add(self, *_: Any, **__: Any) -> None:
        raise LookupError("a fault of ours")


@dataclass
class Wired:
    """A reconciler with everything that it was made of."""

    api: OurKindsApi
    parts: Parts
    reconcile: Reconcile
    own_writes: list[dict[str, Any]]
    tasks_before: set["asyncio.Task[Any]"] = field(default_factory=set)

    async def queued(self) -> list[tuple[AccountKey, frozenset[Cause]]]:
        """Take what is queued now."""
        taken: list[tuple[AccountKey, frozenset[Cause]]] = []
        stop = asyncio.Event()

        async def take(key: AccountKey, causes: frozenset[Cause]) -> Result:
            taken.append((key, causes))
            stop.set()
            return Result()

        await asyncio.wait_for(self.parts.queue.run(take, stop), 10)
        return taken


@asynccontextmanager
async def wired(folder: Path, *objects: dict[str, Any], queue: type[WorkQueue] = WorkQueue) -> AsyncIterator[Wired]:
    cache, metrics, own_writes = InformerCache(), Metrics(CollectorRegistry()), list[dict[str, Any]]()
    rng = random.Random(1)  # noqa: S311 - a test
    async with our_kinds_api(folder, *objects) as api, await connect(folder, api.url) as kube:
        for (plural, _), stored in api.objects.items():
            if plural in PLURALS:
                cache.observe(stored)

        def take_own_write(raw: Any) -> None:
            own_writes.append(raw)
            cache.put(raw)

        made = queue(metrics, scheduler=asyncio.get_running_loop(), rng=rng)
        settings = Settings(kubeconfig=api.kubeconfig, namespaces=("team",))
        clock = ManualClock().runtime_clock()
        fence = Fence(clock.monotonic)
        fence.open_until(float("inf"))
        parts = Parts(settings, kube, fence, cache, made, metrics, take_own_write, "this process", clock, rng)
        tasks = asyncio.all_tasks()
        async with build_reconciler(parts) as reconcile:
            yield Wired(api, parts, reconcile, own_writes, tasks)


async def test_the_status_of_an_app_is_written_and_its_answer_goes_where_own_writes_go(tmp_path: Path) -> None:
    async with wired(tmp_path, app()) as it:
        await it.reconcile(ITSELF, frozenset({Cause.WATCH}))
        (written,) = it.own_writes
        (ready,) = written["status"]["conditions"]
        assert (ready["type"], ready["status"]) == ("Ready", "True")
        assert ready["lastTransitionTime"] == "2026-05-01T10:00:00Z", "by the clock that was handed in"


@pytest.mark.case(51)
async def test_a_deleted_object_of_a_tenant_queues_the_tenants_account_for_drift(tmp_path: Path) -> None:
    async with wired(tmp_path, app(), installation(), tenant(spec={"objects": [PLANNED]}), FACTS) as it:
        await it.reconcile(ITSELF, frozenset({Cause.STARTUP}))
        await until(lambda: "configmaps" in it.api.watched)
        it.api.delete("configmaps", "facts")
        assert await it.queued() == [(KEY, frozenset({Cause.DRIFT}))]
        count = it.parts.metrics.registry.get_sample_value("talkdesk_drift_total", {"kind": "ConfigMap"})
        assert count == 1


async def test_an_app_that_went_is_not_watched_for_drift_any_more(tmp_path: Path) -> None:
    async with wired(tmp_path, app()) as it:
        await it.reconcile(ITSELF, frozenset({Cause.STARTUP}))
        await until(lambda: "configmaps" in it.api.watched)
        it.parts.cache.remove(it.api.objects["talkdeskapps", "sentiment"])
        await it.reconcile(ITSELF, frozenset({Cause.WATCH}))
        await until(lambda: "configmaps" not in it.api.watched)


@pytest.mark.parametrize("error", [None, LookupError("in the work")], ids=str)
async def test_at_the_end_nothing_is_left_running_or_registered(tmp_path: Path, error: Exception | None) -> None:
    async def use() -> Wired:
        async with wired(tmp_path, app()) as it:
            await it.reconcile(ITSELF, frozenset({Cause.STARTUP}))
            await until(lambda: "configmaps" in it.api.watched)
            if error is not None:
                made.append(it)
                raise error
        return it

    made: list[Wired] = []
    if error is None:
        made.append(await use())
    else:
        with pytest.raises(LookupError, match="in the work"):
            await use()
    (it,) = made
    assert {task.get_name() for task in asyncio.all_tasks() - it.tasks_before} <= {asyncio.current_task().get_name()}  # type: ignore[union-attr]
    assert it.parts.metrics.breakers.sources == []


async def test_a_fault_in_a_drift_watch_is_logged_when_it_happens_and_costs_only_that_watch(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with wired(tmp_path, app(), tenant(spec={"objects": [PLANNED]}), FACTS, queue=BrokenQueue) as it:
            await it.reconcile(ITSELF, frozenset({Cause.STARTUP}))
            await until(lambda: "configmaps" in it.api.watched)
            it.api.delete("configmaps", "facts")
            await until(lambda: any(log["event"] == "drift.watch_raised" for log in logs))
            await it.reconcile(ITSELF, frozenset({Cause.WATCH}))
    (failed,) = [log for log in logs if log["event"] == "drift.watch_raised"]
    assert (failed["kind"], failed["log_level"]) == ("ConfigMap", "error")


def test_settings_that_cant_be_used_end_with_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workers", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("talkdesk-operator: --workers (TALKDESK_OPERATOR_WORKERS): ")


ENDS = """
import sys
from talkdesk_operator.wiring import run
kubeconfig, taken = sys.argv[1:]
print(run(["--kubeconfig", "/missing", "--probe-port", "0"]))
print(run(["--kubeconfig", kubeconfig, "--probe-bind-address", "127.0.0.1", "--probe-port", taken]))
"""


def test_no_kubeconfig_ends_with_2_and_a_taken_port_with_1_and_one_line_each(tmp_path: Path) -> None:
    # `run` changes the interpreter's and the log's settings, so it is tried in a process of its own.
    config = tmp_path / "kubeconfig"
    config.write_text(
        '{"apiVersion": "v1", "kind": "Config", "current-context": "it", "clusters": '
        '[{"name": "it", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "it", "user": {}}], '
        '"contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]}'
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-c", ENDS, str(config), str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1"]
    first, second = done.stderr.splitlines()
    assert first.startswith("talkdesk-operator: no usable configuration for the Kubernetes API: ")
    assert second.startswith("talkdesk-operator: can't listen on 127.0.0.1:")
