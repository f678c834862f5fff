"""The process on a scripted API server: what starts and ends in which order, and with which exit code."""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from builders.odd_values import PLACE, nested
from builders.our_kinds_api import OurKindsApi, our_kinds_api
from builders.raw_objects import app, installation, request, tenant
from builders.serving import until
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.process.controller import Parts
from talkdesk_operator.process.run import serve
from talkdesk_operator.process.shutdown import Shutdown
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.queue import Cause, Reconcile, Result
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.side_ports import CannotListen

WITHIN = 60.0


def another() -> dict[str, Any]:
    """Return a Lease that another process holds."""
    return {
        "metadata": {"name": "talkdesk-operator", "namespace": "team", "resourceVersion": "1"},
        "spec": {
            "holderIdentity": "another",
            "leaseDurationSeconds": 600,
            "acquireTime": "2026-05-01T10:00:00.000000Z",
            "renewTime": "2026-05-01T10:00:00.000000Z",
        },
    }


class Fatal(BaseException):
    """Nothing below the process may handle it."""


@dataclass
class Process:
    """A process that runs in this one, and what happened in it so far."""

    api: OurKindsApi
    happened: list[str] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Reconciles of these accounts wait."""
    fatal: set[str] = field(default_factory=set)
    """Reconciles of these accounts raise Fatal."""
    parts: Parts | None = None
    task: "asyncio.Task[int] | None" = None
    logs: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def build(self, parts: Parts) -> AsyncIterator[Reconcile]:
        self.parts = parts
        self.happened.append("built")
        try:
            yield self.reconcile
        finally:
            self.happened.append(f"closed while watching {len(self.api.watched)} kinds")

    async def reconcile(self, key: AccountKey, causes: frozenset[Cause]) -> Result:
        self.happened.append(f"{key.account_id or 'app'} {'+'.join(sorted(causes))}")
        if key.account_id in self.fatal:
            raise Fatal
        if key.account_id in self.held:
            try:
                await self.held[key.account_id].wait()
            except asyncio.CancelledError:
                self.happened.append(f"{key.account_id} cancelled")
                raise
            self.happened.append(f"{key.account_id} ended while watching {len(self.api.watched)} kinds")
        return Result()

    async def until(self, condition: Callable[[], bool]) -> None:
        assert self.task is not None
        await until(lambda: condition() or bool(self.task and self.task.done()), within=WITHIN)
        assert condition(), (self.happened, self.logs)

    async def works(self) -> None:
        """Wait until it works and watches."""
        await self.until(lambda: "built" in self.happened and set(KINDS) <= self.api.watched)

    async def probe(self, path: str) -> tuple[int, str]:
        listener = "metrics" if path == "/metrics" else "probes"
        port = next(log["port"] for log in self.logs if log["event"] == f"{listener}.listening")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, (await answer.text()).strip()

    async def code(self) -> int:
        """Wait for its end; return the exit code."""
        assert self.task is not None
        return await asyncio.wait_for(asyncio.shield(self.task), WITHIN)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        os.kill(os.getpid(), number)
        return await self.code()

    def logged(self, event: str) -> list[Any]:
        return [log for log in self.logs if log["event"] == event]


LOOPBACK: dict[str, Any] = {
    "probe_bind_address": "127.0.0.1",
    "probe_port": 0,
    "metrics_bind_address": "127.0.0.1",
    "metrics_port": 0,
}
KINDS = ("talkdeskapps", "talkdeskinstallations", "talkdesktenants")


@asynccontextmanager
async def running(folder: Path, *objects: dict[str, Any], **changes: Any) -> AsyncIterator[Process]:
    """Start a process in a namespace with these objects; keywords are settings, or `lease`, `held`, `refused`."""
    async with our_kinds_api(folder, *objects) as api:
        api.lease = changes.pop("lease", None)
        api.refused = changes.pop("refused", {})
        api.odd = changes.pop("odd_text", api.odd)
        ending = changes.pop("ending", lambda _: None)
        held, fatal = changes.pop("held", ()), changes.pop("fatal", ())
        it = Process(api, held={name: asyncio.Event() for name in held}, fatal=set(fatal))
        settings = {"leader_election": False, **LOOPBACK, **changes}
        bounds = Settings(kubeconfig=api.kubeconfig, namespaces=("team",), **settings)
        rng = random.Random(1)  # noqa: S311 - a test
        with capture_logs() as it.logs:
            it.task = asyncio.create_task(serve(bounds, it.build, clock=Clock.system(), rng=rng, ending=ending))
            try:
                yield it
            finally:
                it.task.cancel()
                await asyncio.wait((it.task,))


async def test_everything_is_listed_before_the_first_reconcile_and_then_watched(tmp_path: Path) -> None:
    async with running(tmp_path, app(), installation("i1", account="a1")) as it:
        await it.works()
        first_watch = next(n for n, line in enumerate(it.api.requests) if line.endswith(" watch"))
        listed = [line for line in it.api.requests[:first_watch] if line.startswith("GET")]
        assert {line.rpartition("/")[2] for line in listed} == set(KINDS)
        await it.until(lambda: len(it.happened) == 3)
        assert it.happened[0] == "built"
        assert set(it.happened[1:]) == {"app Startup", "a1 Startup"}
        it.api.put(installation("i2", account="a2", spec=request()))
        await it.until(lambda: it.happened[-1] == "a2 Watch")
        assert await it.probe("/readyz") == (200, "running")
        assert await it.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_after_a_signal_running_reconciles_end_before_the_watches_and_nothing_new_begins(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running(tmp_path, installation("i1", account="a1"), held=["a1"]) as it:
        await it.until(lambda: "a1 Startup" in it.happened)
        await it.works()
        os.kill(os.getpid(), number)
        await it.until(lambda: bool(it.logged("operator.stopping")))
        assert await it.probe("/readyz") == (503, "stopping")
        it.api.put(installation("i2", account="a2"))
        it.held["a1"].set()
        assert await it.code() == 0
        assert it.happened[2:] == ["a1 ended while watching 3 kinds", "closed while watching 3 kinds"]
        assert it.logged("operator.stopping") == [
            {"event": "operator.stopping", "log_level": "info", "reason": number.name, "code": 0}
        ]


async def test_a_reconcile_that_takes_longer_than_the_grace_is_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), held=["a1"], shutdown_timeout="1s") as it:
        await it.until(lambda: "a1 Startup" in it.happened)
        await it.works()
        assert await it.end() == 0
        assert "a1 cancelled" in it.happened
        assert len(it.logged("reconcile.cancelled")) == 1


@pytest.mark.case(82)
async def test_a_second_signal_cancels_running_reconciles_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), held=["a1"], shutdown_timeout="10m") as it:
        await it.until(lambda: "a1 Startup" in it.happened)
        await it.works()
        os.kill(os.getpid(), signal.SIGTERM)
        await it.until(lambda: bool(it.logged("operator.stopping")))
        assert "a1 cancelled" not in it.happened
        assert await it.end() == 0
        assert "a1 cancelled" in it.happened
        (ended,) = it.logged("operator.ended")
        assert (ended["reason"], ended["code"]) == ("SIGTERM", 0)


@pytest.mark.case(82)
async def test_a_lease_lost_during_the_end_cancels_running_reconciles_because_another_may_begin(tmp_path: Path) -> None:
    options: dict[str, Any] = {"leader_election": True, "held": ["a1"], "shutdown_timeout": "10m"}
    async with running(tmp_path, installation("i1", account="a1"), **options) as it:
        await it.until(lambda: "a1 Startup" in it.happened)
        await it.works()
        os.kill(os.getpid(), signal.SIGTERM)
        await it.until(lambda: bool(it.logged("operator.stopping")))
        it.api.change_lease(holderIdentity="thief", leaseDurationSeconds=600)
        assert await asyncio.wait_for(asyncio.shield(it.task or asyncio.sleep(0)), 30) == 0
        assert "a1 cancelled" in it.happened
        assert it.api.holder == "thief"


async def test_when_it_begins_to_end_it_says_by_when_it_must_have_ended(tmp_path: Path) -> None:
    limits: list[timedelta] = []
    async with running(tmp_path, shutdown_timeout="3s", ending=limits.append) as it:
        await it.works()
        assert limits == []
        assert await it.end() == 0
        assert limits == [timedelta(seconds=18)]


async def test_a_part_that_fails_ends_the_process_with_1_and_the_others_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), fatal=["a2"]) as it:
        await it.works()
        it.api.put(installation("i2", account="a2"))
        assert await it.code() == 1
        assert it.happened[-1] == "closed while watching 3 kinds"
        (failed,) = it.logged("process.part_failed")
        assert failed["part"] == "workers"
        assert isinstance(failed["exc_info"], Fatal)
        assert it.logged("operator.stopping")[0]["reason"] == "workers ended"


@pytest.mark.case(48)
async def test_a_restored_etcd_ends_the_process_because_its_cache_is_worth_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), relist_interval="1s") as it:
        await it.works()
        it.api.seen_version = 5
        assert await it.code() == 1
        assert it.logged("process.part_failed")[0]["part"] == "listing"


@pytest.mark.case(82)
@pytest.mark.parametrize("status", [403, 404, 410, 500])
async def test_a_kind_that_goes_is_no_end_and_is_watched_when_it_comes_back(tmp_path: Path, status: int) -> None:
    async with running(tmp_path, installation("i1", account="a1")) as it:
        await it.works()
        it.api.refused = {"talkdesktenants": status}
        it.api.show("talkdesktenants", "ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
        asked = len(it.api.requests)
        await it.until(lambda: any(line.endswith("/talkdesktenants") for line in it.api.requests[asked:]))
        it.api.put(installation("i2", account="a2"))
        await it.until(lambda: "a2 Watch" in it.happened)
        it.api.put(tenant("sentiment-a3", account="a3"))
        it.api.refused = {}
        await it.until(lambda: "a3 Watch" in it.happened and "talkdesktenants" in it.api.watched)
        assert await it.end() == 0


@pytest.mark.case(75)
@pytest.mark.parametrize("levels", [101, 255, 1100, 9990])
async def test_an_object_that_nobody_can_read_keeps_nobody_from_starting_nor_from_going_on(
    tmp_path: Path, levels: int
) -> None:
    odd = tenant("sentiment-odd", account="odd", spec={"values": PLACE})
    async with running(tmp_path, installation("i1", account="a1"), odd, odd_text=nested(levels)) as it:
        await it.until(lambda: {"a1 Startup", "odd Startup"} <= set(it.happened))
        await it.works()
        for number in range(3):
            it.api.put(odd)
            it.api.put(installation(f"i{number + 2}", account=f"a{number + 2}"))
            await it.until(lambda: f"a{number + 2} Watch" in it.happened)  # noqa: B023 - awaited in the same round
        assert it.parts is not None
        key = AccountKey("team", "sentiment", "odd")
        await it.until(lambda: [each.version for each in it.parts.cache.unreadable(key)] >= ["103"])  # type: ignore[union-attr]
        assert not it.logged("process.part_failed")
        assert await it.end() == 0


@pytest.mark.case(76)
async def test_the_metrics_say_for_how_long_the_event_loop_was_blocked(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1")) as it:
        await it.works()
        await asyncio.sleep(0.1)
        time.sleep(0.3)  # noqa: ASYNC251 - it is what is measured
        await asyncio.sleep(0.1)
        _, metrics = await it.probe("/metrics")
        lags = [line.split()[1] for line in metrics.splitlines() if line.startswith("talkdesk_event_loop_lag_seconds ")]
        assert [float(lag) > 0.25 for lag in lags] == [True]


async def test_while_nothing_can_be_listed_it_is_live_but_not_ready_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, refused={"talkdesktenants": 403}) as it:
        await it.until(lambda: bool(it.logged("listing.failed")))
        assert await it.probe("/readyz") == (503, "loading: refused on purpose")
        assert (await it.probe("/healthz"))[0] == 200
        assert await it.end() == 0
        assert it.happened == []


@pytest.mark.case(49)
async def test_a_leader_holds_the_lease_and_gives_it_back_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), leader_election=True) as it:
        await it.works()
        assert it.parts is not None
        assert it.api.holder == it.parts.identity
        await it.until(lambda: "leases" in it.api.watched)
        assert await it.end() == 0
        assert it.api.holder == ""
        assert it.api.requests[-1].startswith("PUT /apis/coordination.k8s.io/v1/namespaces/team/leases/")


@pytest.mark.case(49)
async def test_a_candidate_lists_and_watches_and_is_ready_then_but_reconciles_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), leader_election=True, lease=another()) as it:
        await it.until(lambda: {*KINDS, "leases"} <= it.api.watched)
        assert await it.probe("/readyz") == (200, "standby")
        it.api.put(installation("i2", account="a2"))
        assert "talkdesk_installations{" not in (await it.probe("/metrics"))[1], "or sums would count twice"
        assert await it.end() == 0
        assert it.happened == []
        assert it.api.holder == "another"
        assert not [line for line in it.api.requests if not line.startswith("GET ")]


async def test_a_candidate_that_can_list_nothing_is_not_ready_and_says_why(tmp_path: Path) -> None:
    refused = {"talkdesktenants": 403}
    async with running(tmp_path, leader_election=True, lease=another(), refused=refused) as it:
        await it.until(lambda: bool(it.logged("listing.failed")))
        assert await it.probe("/readyz") == (503, "loading: refused on purpose")
        assert (await it.probe("/healthz"))[0] == 200


@pytest.mark.case(49)
async def test_a_standby_takes_over_at_once_and_lists_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), leader_election=True, lease=another()) as it:
        await it.until(lambda: {*KINDS, "leases"} <= it.api.watched)
        it.api.put(installation("i2", account="a2"))
        asked = len(it.api.requests)
        it.api.release({"team/talkdeskinstallations": str(it.api.seen_version)})
        await it.until(lambda: len(it.happened) == 3)
        assert it.happened[0] == "built"
        assert set(it.happened[1:]) == {"a1 Startup", "a2 Startup"}
        await it.until(lambda: it.logged("leader.acquired") != [])
        listed = [line for line in it.api.requests[asked:] if line.startswith("GET ") and line.endswith(KINDS)]
        assert sorted(line.rpartition("/")[2] for line in listed) == ["talkdeskapps", "talkdesktenants"], (
            "of one object"
        )
        assert await it.probe("/readyz") == (200, "running")
        assert "talkdesk_installations{" in (await it.probe("/metrics"))[1]
        assert await it.end() == 0


@pytest.mark.case(49)
async def test_a_new_leader_acts_only_when_it_has_seen_what_the_one_before_wrote_last(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), leader_election=True, lease=another()) as it:
        await it.until(lambda: {*KINDS, "leases"} <= it.api.watched)
        with it.api.lagging("talkdeskinstallations"):
            it.api.put(installation("i2", account="a2"))
            it.api.lease = None
            await it.until(lambda: any(line.endswith("/talkdeskinstallations watch 3 s") for line in it.api.requests))
            assert it.happened == []
            assert await it.probe("/readyz") == (503, "loading")
        await it.until(lambda: "a2 Startup" in it.happened)
        assert await it.end() == 0


@pytest.mark.case(49)
async def test_a_new_leader_waits_for_all_kinds_at_the_same_time(tmp_path: Path) -> None:
    async with running(tmp_path, installation("i1", account="a1"), leader_election=True, lease=another()) as it:
        await it.until(lambda: {*KINDS, "leases"} <= it.api.watched)
        with ExitStack() as lagging:
            for kind in KINDS:
                lagging.enter_context(it.api.lagging(kind))
            it.api.put(tenant("sentiment-a1", account="a1"))
            it.api.lease = None
            waits = [f"/{kind} watch 3 s" for kind in KINDS]
            await it.until(lambda: all(any(line.endswith(wait) for line in it.api.requests) for wait in waits))
            assert it.happened == []
        await it.until(lambda: "a1 Startup" in it.happened)
        assert await it.end() == 0


async def test_an_exception_of_the_builder_is_raised_and_the_lease_is_free(tmp_path: Path) -> None:
    @asynccontextmanager
    async def build(_parts: Parts) -> AsyncIterator[Reconcile]:
        raise LookupError("no such thing")
        yield

    async with our_kinds_api(tmp_path) as api:
        bounds = Settings(kubeconfig=api.kubeconfig, namespaces=("team",), **LOOPBACK)
        rng = random.Random(1)  # noqa: S311 - a test
        with capture_logs(), pytest.raises(LookupError, match="no such thing"):
            await asyncio.wait_for(serve(bounds, build, clock=Clock.system(), rng=rng), WITHIN)
        assert api.lease is not None
        assert api.holder == ""


@pytest.mark.parametrize("name", ["probe_port", "metrics_port"])
async def test_a_port_that_is_taken_is_an_error_before_anything_is_asked(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with running(tmp_path, **{name: taken.getsockname()[1]}) as it:
            with pytest.raises(CannotListen):
                await it.code()
            assert it.api.requests == []


async def test_without_a_usable_kubeconfig_nothing_starts(tmp_path: Path) -> None:
    bounds = Settings(kubeconfig=tmp_path / "missing", probe_port=0)
    rng = random.Random(1)  # noqa: S311 - a test
    with pytest.raises(KubeRefused, match="there is no file"):
        await serve(bounds, Process(OurKindsApi(tmp_path)).build, clock=Clock.system(), rng=rng)


async def test_the_first_reason_to_end_stands() -> None:
    shutdown = Shutdown()
    with capture_logs() as logs:
        shutdown.begin("SIGTERM", 0)
        shutdown.begin("leadership ended", 1, abrupt=True)
    assert (shutdown.code, shutdown.hurried.is_set()) == (0, True)
    assert [log["reason"] for log in logs] == ["SIGTERM"]


async def test_a_supervised_part_that_ends_without_an_error_ends_the_process_too() -> None:
    shutdown = Shutdown()

    async def part() -> None:
        return

    with capture_logs() as logs:
        await shutdown.supervise(part(), "leadership", abrupt=True)
        await asyncio.wait_for(shutdown.event.wait(), WITHIN)
    assert (shutdown.code, shutdown.hurried.is_set()) == (1, True)
    assert [(log["event"], log["reason"]) for log in logs] == [("operator.stopping", "leadership ended")]


async def test_work_that_completes_first_is_done() -> None:
    assert await Shutdown().completes_before(asyncio.sleep(0))


async def test_work_that_the_end_overtakes_is_cancelled_and_not_done() -> None:
    shutdown, cancelled = Shutdown(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with capture_logs():
        asyncio.get_running_loop().call_soon(shutdown.begin, "SIGTERM", 0)
        assert not await shutdown.completes_before(work())
    assert cancelled.is_set()


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Shutdown().completes_before(work())
