"""A year of customers' lives in compressed time, again and again: what operator and webhook keep of them.

Each customer installs on trial, changes the plan, has credentials rotated, is suspended at the trial's end, upgrades,
leaves, comes back within the retention, leaves for good and is purged. What is left then, a person deletes. So the
customers of one minute are as many as those of the next, and so must be what the processes have.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from typing_extensions import override

from soak.gauges import Gauge, drift
from soak.leaks import Secrets
from soak.stage import NAMESPACE, Crew, Stage, staged
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.simulator import Behavior, commands
from talkdesk_sandbox.simulator.state import Installation, InstallationState

__all__ = ["Endurance", "Minute", "enduring"]

WARM_UP = 0.15
"""Share of the minutes that don't count: caches fill, and the memory's own allocator finds its size."""
MOST_DRIFT = 0.05
_TRIAL = timedelta(seconds=25)
_BEHAVIOR = Behavior(
    timestamp_form="milliseconds",
    retry_delays=(timedelta(seconds=1), timedelta(seconds=2)),
    trial_length=_TRIAL,
    token_lifetime=timedelta(seconds=60),
    signing_key_grace=timedelta(seconds=60),
)
_SPEC = {"retention": {"keepFor": "15s"}, "resyncPeriod": "1m"}
_PATIENCE = 900.0
"""Seconds that a customer waits for anything; some tenths of one on an idle machine."""
_EVERY = 0.2
_BETWEEN = (2.0, 8.0)
"""Seconds between two acts of a customer: a month or so."""


@dataclass(frozen=True)
class Minute:
    """What there is at the end of a minute."""

    number: int
    gauges: dict[str, Gauge]
    """By program."""
    objects: dict[str, int]
    """In the API server, by plural."""
    events: int
    """That Talkdesk has sent so far."""
    lives: int
    """That have ended so far."""

    @override
    def __str__(self) -> str:
        gauges = "; ".join(f"{name} {gauge}" for name, gauge in self.gauges.items())
        objects = ", ".join(f"{number} {plural}" for plural, number in self.objects.items())
        return f"{self.number:>3} min: {gauges}; {objects}; {self.events:,} events, {self.lives} lives"


@dataclass
class Endurance:
    """Made by `enduring`."""

    stage: Stage
    customers: int
    seed: int = 1
    minute: float = 60.0
    """Seconds."""
    minutes: list[Minute] = field(default_factory=list)
    lives: int = 0
    stuck: list[str] = field(default_factory=list)
    secrets: Secrets = field(default_factory=Secrets)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - a test

    async def run(self, minutes: int, say: Callable[[str], None]) -> None:
        """Let them live for so long."""
        began = time.monotonic()
        tasks = [asyncio.create_task(self._customer(number)) for number in range(self.customers)]
        tasks.append(asyncio.create_task(self._gardener()))
        try:
            for number in range(1, minutes + 1):
                await asyncio.sleep(began + number * self.minute - time.monotonic())
                self.minutes.append(await self._look(number))
                say(str(self.minutes[-1]))
                assert not (failed := [task for task in tasks if task.done()]), failed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, number: int) -> Minute:
        gauges = {each.name: Gauge.read(each.pid) for each in self.stage.programs}
        objects = {
            "installations": len(await self.stage.listed("talkdeskinstallations")),
            "tenants": len(await self.stage.listed("talkdesktenants")),
            "credentials": len(await self.stage.credentials()),
            "tenants' objects": len(await self.stage.tenant_objects("configmaps")),
        }
        return Minute(number, gauges, objects, len(self.stage.simulator.dispatcher.log), self.lives)

    async def _customer(self, number: int) -> None:
        """Be one customer after the other; begin at different times."""
        await asyncio.sleep(number * 60.0 / self.customers)
        while True:
            self._numbers += 1
            name = f"customer-{self._numbers}"
            try:
                await self._life(name)
                self.lives += 1
            except TimeoutError:
                it = self.stage.simulator.state.newest(name, live=False)
                acknowledged = "acknowledged" if it.current.acknowledged_at else "not acknowledged"
                self.stuck.append(f"{name} is {it.state}, the newest credentials are {acknowledged}")

    async def _life(self, name: str) -> None:
        simulator = self.stage.simulator
        trial = commands.SubscriptionSpec(type="trial", name="Trial")
        it = simulator.install(commands.Install(account=name, app_id=self.stage.app_id, subscription=trial))
        await self._lives_on(it.installation_id)
        await self._leaves(it.installation_id)
        again = simulator.reinstall(commands.Reinstall(account=name, app_id=self.stage.app_id))
        await self._lives_on(again.installation_id)
        await self._leaves(again.installation_id)

    async def _lives_on(self, installation_id: str) -> None:
        simulator = self.stage.simulator
        it = await self._is(installation_id, InstallationState.COMPLETED)
        await self._month()
        simulator.update(commands.Update(installation=it.id, adding=2, licenses=it.subscription.licenses + 2))
        await self._is(it.id, InstallationState.COMPLETED)
        await self._rotated(it, compromised=False)
        if it.trial is not None and it.trial.ended_at is None:
            await self._until(lambda: it.trial is not None and it.trial.ended_at is not None)
            await self._month()
        simulator.update(commands.Update(installation=it.id, type="paid", plan="Gold"))
        await self._is(it.id, InstallationState.COMPLETED)
        await self._rotated(it, compromised=True)

    async def _leaves(self, installation_id: str) -> None:
        self.stage.simulator.uninstall(commands.Uninstall(installation=installation_id))
        await self._is(installation_id, InstallationState.UNINSTALLED)
        await self._month()

    async def _rotated(self, it: Installation, *, compromised: bool) -> None:
        await self._month()
        self.stage.simulator.rotate(commands.Rotate(installation=it.id, compromised=compromised))
        await self._until(lambda: it.current.acknowledged_at is not None)

    async def _is(self, installation_id: str, state: InstallationState) -> Installation:
        it = self.stage.simulator.state.installation(installation_id)
        await self._until(lambda: it.state is state)
        return it

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not condition():  # noqa: ASYNC110 - the simulator sends no notifications
                await asyncio.sleep(_EVERY)

    async def _month(self) -> None:
        await asyncio.sleep(self._rng.uniform(*_BETWEEN))

    async def _gardener(self) -> None:
        """Delete what purged customers leave behind, and have Talkdesk sign with another key now and then."""
        async with await Kube.connect(user_agent="test", kubeconfig=self.stage.cluster.kubeconfig) as kube:
            for turn in range(1_000_000):
                await asyncio.sleep(5)
                self.secrets.collect(self.stage.simulator)
                if turn % 24 == 23:
                    self.stage.simulator.rotate_signing_key()
                for name, each in (await self.stage.listed("talkdeskinstallations")).items():
                    if each.get("status", {}).get("phase") == "Purged":
                        await _delete(kube, name)

    def verdict(self) -> Iterator[tuple[str, bool]]:
        """Yield what grew how much over the minutes that count, and whether that is too much."""
        counted = self.minutes[round(len(self.minutes) * WARM_UP) :]
        for program in counted[0].gauges:
            gauges = [each.gauges[program] for each in counted]
            grown = drift([each.memory for each in gauges])
            ends = f"{gauges[0].memory / 1e6:.1f} to {gauges[-1].memory / 1e6:.1f} MB"
            yield f"{program}: memory {grown:+.1%} in {len(counted)} minutes ({ends})", grown > MOST_DRIFT
            for what, values in (("files", [e.files for e in gauges]), ("threads", [e.threads for e in gauges])):
                third = max(1, len(values) // 3)
                early, late = max(values[:third]), max(values[-third:])
                yield f"{program}: at most {early} {what} at first, {late} at last", late > early * 1.2 + 3
        ended = {each.name: each.ended for each in self.stage.programs if each.ended}
        yield f"programs that ended: {ended or 'none'}", bool(ended)
        yield f"customers who waited in vain: {len(self.stuck)} {self.stuck[:5]}", bool(self.stuck)


async def _delete(kube: Kube, name: str) -> None:
    path = resource_path(GROUP, VERSION, "talkdeskinstallations", NAMESPACE, name)
    confirmed = {"metadata": {"annotations": {ANNOTATION_CONFIRM_DELETION: "true"}}}
    try:
        await kube.request("PATCH", path, body=confirmed, content_type=MERGE_PATCH)
        await kube.request("DELETE", path)
    except KubeError:
        return  # it is gone, or will be found again


@asynccontextmanager
async def enduring(cluster: Cluster, customers: int) -> AsyncIterator[Endurance]:
    """Start everything."""
    async with staged(cluster, _BEHAVIOR, Crew(operators=1, webhooks=1), **_SPEC) as stage:
        yield Endurance(stage, customers)
