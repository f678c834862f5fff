"""Notifications of many customers' lives while the operator that sends them is killed again and again by SIGKILL.

Each customer installs, changes the plan some times and leaves. The endpoint keeps each arrival. A kill comes while the
endpoint has a request before it, right after it has answered, or somewhat later.

Half of the customers ask for more as soon as Talkdesk lets them. Where the operator was killed after Talkdesk had its
answer and before the answer was on record, nobody can know of that answer when a newer request has replaced it: such
approvals may be missing, and are counted. The others wait until the answer is on record.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from builders.notification_receiver import Arrival, Receiver, endpoint, key_secret, receiver
from builders.serving import until
from builders.stack import INSTALLATION
from builders.watched import Watched, watching
from soak.faults import seeded
from soak.stage import APP, NAMESPACE, Crew, Stage, staged
from talkdesk_crds.names import installation_name
from talkdesk_runtime.kube import Kube
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.simulator import Behavior, commands
from talkdesk_sandbox.simulator.state import Installation, InstallationState

__all__ = ["Lives", "Notified", "being_notified"]

Told: TypeAlias = tuple[str, str, str | None]
"""Installation, type, and event id of the request."""
_KINDS: Final = {
    "app.installed": ("Installed", "Approved"),
    "app.updated": ("Updated", "Approved"),
    "app.uninstalled": ("Uninstalled",),
}
"""What is told of each event of Talkdesk's, in this order."""
_BEHAVIOR: Final = Behavior(timestamp_form="milliseconds", retry_delays=(timedelta(seconds=1), timedelta(seconds=2)))
_WHEN: Final = ("before the answer", "after the answer", "later")
_EVERY: Final = 0.05


@dataclass(frozen=True)
class Lives:
    """How much of everything."""

    customers: int = 100
    updates: int = 4
    """Of each."""
    kills: int = 40
    at_once: int = 12
    """Customers who do something at the same time."""
    seed: int = 1
    patience: float = 300.0
    """Seconds that a customer waits for Talkdesk, and the end for what is still to be told."""
    fault: str = ""
    """One of FAULTS to run with."""

    @property
    def notifications(self) -> int:
        """Return how many there are to be."""
        return self.customers * (2 + 2 * self.updates + 1)


@dataclass
class Notified:
    """Made by `being_notified`."""

    stage: Stage
    there: Receiver
    watched: Watched
    lives: Lives
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    hasty: set[str] = field(default_factory=set)
    """Ids of the installations of customers who don't wait for the record."""
    unfinished: list[str] = field(default_factory=list)
    """What did not come to its end in time."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.lives.seed)  # noqa: S311 - a test
        moments = range(2, self.lives.notifications)
        self._moments = set(self._rng.sample(moments, min(self.lives.kills, len(moments))))
        self._places = asyncio.Semaphore(self.lives.at_once)
        self._killing: set[asyncio.Task[None]] = set()
        self.there.mood = self._answer

    async def run(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Let all live, and wait until everything is told."""
        began = time.monotonic()
        telling = asyncio.create_task(self._report(say))
        try:
            await asyncio.gather(*(self._customer(number) for number in range(self.lives.customers)))
            await self._is(self._has_all, "told everything")
            await self._is(self._records_all, "recorded that everything was told")
        finally:
            telling.cancel()
        self.seconds = time.monotonic() - began

    async def _answer(self, _: Arrival) -> int:
        """Take an event; kill the operator at chosen ones."""
        if len(self.there.arrivals) in self._moments:
            when = self._rng.choice(_WHEN)
            self.kills[when] += 1
            if when == "before the answer":
                await self.stage.operators[0].kill()
            else:
                delay = self._rng.uniform(0.0, 0.02 if when == "after the answer" else 1.0)
                task = asyncio.create_task(self._kill_after(delay))
                self._killing.add(task)
                task.add_done_callback(self._killing.discard)
        return 204

    async def _kill_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.stage.operators[0].kill()

    async def _customer(self, number: int) -> None:
        name, simulator = f"customer-{number}", self.stage.simulator
        async with self._places:
            made = simulator.install(commands.Install(account=name, app_id=self.stage.app_id))
            known = simulator.state.installation(made.installation_id)
            if number % 2:
                self.hasty.add(known.id)
            await self._answered(known, InstallationState.COMPLETED)
            for plan in range(self.lives.updates):
                simulator.update(commands.Update(installation=known.id, plan=f"Plan {plan}"))
                await self._answered(known, InstallationState.COMPLETED)
            simulator.uninstall(commands.Uninstall(installation=known.id))
            await self._answered(known, InstallationState.UNINSTALLED)

    async def _answered(self, known: Installation, state: InstallationState) -> None:
        """Wait until Talkdesk has the answer, and unless the customer is hasty, until it is on record."""

        def is_over() -> bool:
            return known.state is state and (known.id in self.hasty or self._has_recorded(known))

        await self._is(is_over, f"{known.id} is {state.value}")

    def _has_recorded(self, known: Installation) -> bool:
        held = self.watched.get(INSTALLATION, installation_name(APP, known.id)) or {}
        answer = held.get("status", {}).get("answer", {})
        newest = [each.id for each in self.stage.simulator.state.events.values() if each.installation_id == known.id]
        return answer.get("eventId") == newest[-1] and "deliveryTime" in answer

    async def _is(self, condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        try:
            await until(condition, within=self.lives.patience, every=_EVERY)
        except TimeoutError:
            self.unfinished.append(f"not in {self.lives.patience:.0f} s: {what}")

    def _has_all(self) -> bool:
        return not any(self._lost())

    async def _records_all(self) -> bool:
        found = await self.stage.listed("talkdeskinstallations")
        return not any(each["status"]["notifications"]["pending"] for each in found.values())

    async def _report(self, say: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(15)
            say(f"{len(self.there.arrivals):,} arrivals of {self.lives.notifications:,}; {dict(self.kills)} killed")

    def expected(self) -> set[Told]:
        """Return what is to be told, by what Talkdesk sent."""
        return {told for lane in self._lanes().values() for told in lane}

    def _lanes(self) -> dict[str, list[Told]]:
        """Return what is to be told of each installation, in order."""
        lanes: dict[str, list[Told]] = defaultdict(list)
        for event in self.stage.simulator.state.events.values():
            for kind in _KINDS.get(event.type, ()):
                lanes[event.installation_id].append((event.installation_id, kind, event.id))
        return lanes

    def wrong(self) -> dict[str, list[str]]:
        """Return sentences about what must not be, by what it is."""
        return {
            "unfinished": self.unfinished,
            "lost": list(self._lost()),
            "out of order": list(self._disorder()),
            "repeated differently": list(self._differences()),
            "never happened": [f"{each} was told" for each in {a.what for a in self.there.arrivals} - self.expected()],
            "problems of the endpoint": self.there.problems,
        }

    def _lost(self) -> Iterator[str]:
        yield from (f"{each} was never told" for each in self._missing() if each not in self._unknowable())

    def _missing(self) -> set[Told]:
        return self.expected() - {each.what for each in self.there.taken}

    def _unknowable(self) -> set[Told]:
        """Return the approvals that may be missing: of requests that a hasty customer has replaced since."""
        lanes = [lane for subject, lane in self._lanes().items() if subject in self.hasty]
        return {told for lane in lanes for told in lane if told[1] == "Approved" and told[2] != lane[-1][2]}

    def _firsts(self) -> dict[str, list[Arrival]]:
        """Return the first arrival of everything, by installation."""
        firsts: dict[str, list[Arrival]] = defaultdict(list)
        for each in {a.id: a for a in reversed(self.there.arrivals)}.values():
            firsts[each.subject].insert(0, each)
        return firsts

    def _disorder(self) -> Iterator[str]:
        for subject, arrived in self._firsts().items():
            told, numbers = [each.what for each in arrived], [each.sequence for each in arrived]
            if numbers != sorted(set(numbers)):
                yield f"{subject}: the sequence is {numbers}"
            lane = [each for each in self._lanes()[subject] if each in told]
            if [each for each in told if each in lane] != lane:
                yield f"{subject}: {[kind for _, kind, _ in told]}"

    def _differences(self) -> Iterator[str]:
        bodies: dict[str, set[bytes]] = defaultdict(set)
        ids: dict[Told, set[str]] = defaultdict(set)
        for each in self.there.arrivals:
            bodies[each.id].add(each.raw)
            ids[each.what].add(each.id)
        yield from (f"{name} came with {len(found)} bodies" for name, found in bodies.items() if len(found) > 1)
        yield from (f"{what} came under {len(found)} ids" for what, found in ids.items() if len(found) > 1)

    def figures(self) -> Iterator[str]:
        """Yield what happened, a line each, and counts of what must not be with the first sentences."""
        told, arrived = {each.id for each in self.there.arrivals}, len(self.there.arrivals)
        yield f"notifications: {len(told):,} of {len(self._lanes()):,} installations; expected {len(self.expected()):,}"
        yield f"arrivals: {arrived:,}, of which {arrived - len(told):,} repeat one that came before"
        yield f"approvals that nobody could know of: {len(self._missing() & self._unknowable())}"
        yield f"killed: {', '.join(f'{number} {when}' for when, number in self.kills.items())}"
        yield f"time: {self.seconds:.0f} s"
        for name, sentences in self.wrong().items():
            yield f"{name}: {len(sentences)}"
            yield from (f"    {sentence}" for sentence in sentences[:5])


def _environment(variables: dict[str, str]) -> dict[str, str]:
    return {"TALKDESK_OPERATOR_ALLOWED_HOOK_NETWORKS": "127.0.0.0/8", **variables}


@asynccontextmanager
async def being_notified(cluster: Cluster, lives: Lives) -> AsyncIterator[Notified]:
    """Start everything, and end it."""
    with seeded(lives.fault) as variables:
        async with receiver() as there:
            crew = Crew(operators=1, webhooks=1, variables=_environment(variables))
            # Where a kill loses the outcome of an acknowledgement, a refusal that lasts for so long proves it.
            spec = {"notifications": [endpoint(there.url)], "uninstall": {"confirmAfter": "5s"}}
            async with staged(cluster, _BEHAVIOR, crew, **spec) as stage:
                await asyncio.to_thread(
                    cluster.kubectl, f"--namespace={NAMESPACE}", "apply", "-f", "-", stdin=key_secret(there.url)
                )
                async with (
                    await Kube.connect(user_agent="test", kubeconfig=cluster.kubeconfig) as kube,
                    watching(kube, NAMESPACE) as watched,
                ):
                    yield Notified(stage, there, watched, lives)
