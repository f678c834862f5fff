"""Thousands of signed events while webhooks, operators and the API server are killed again and again.

Talkdesk delivers as documented, three times with 5 and 10 minutes between, of which one passes in some seconds here.
"""

import asyncio
import itertools
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from builders.restartable import Restartable, restartable
from builders.serving import until
from soak.faults import seeded
from soak.kills import Kills
from soak.leaks import Secrets
from soak.lives import Lives
from soak.stage import Crew, Stage, staged
from soak.verdict import AUDIT_POLICY, Verdict, deletions
from talkdesk_sandbox.controlplane import Audit
from talkdesk_sandbox.simulator import Behavior

__all__ = ["Chaos", "Outcome", "Storm", "raging"]

_RETRIES = (5, 10)
"""Minutes of Talkdesk's."""
_TIMEOUT = timedelta(seconds=10)
_KEEP_FOR = timedelta(seconds=20)
_COLLECT_EVERY = 2.0
_AT_ONCE = 48
"""Events under way or to be sent again, above which customers wait: else Talkdesk would give up most of them here."""
_MOST_PENDING = 400
_ROOM_WITHIN = 900.0


@dataclass(frozen=True)
class Storm:
    """How much of everything."""

    events: int = 10_000
    accounts: int = 2_500
    kills: int = 80
    seed: int = 1
    debug: bool = True
    """Whether the programs log all they can."""
    minute: float = 3.0
    """Seconds in which one of Talkdesk's minutes passes: a busy machine needs many to start a process."""
    rest: float = 900.0
    """Seconds until everything must have come to rest: what still waits then is unanswered."""
    fault: str = ""
    """One of FAULTS to run with."""


@dataclass
class Outcome:
    """What is printed, and what must be empty."""

    figures: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield figures, and for each count of what must not be the first sentences."""
        for name, value in self.figures.items():
            yield f"{name}: {value}"
        for name, sentences in self.wrong.items():
            yield f"{name}: {len(sentences)}"
            yield from (f"    {sentence}" for sentence in sentences[:5])

    @property
    def is_well(self) -> bool:
        return not any(self.wrong.values())


@dataclass
class Chaos:
    """One storm, from the first event to rest."""

    stage: Stage
    api_server: Restartable
    storm: Storm
    audit: Path
    say: Callable[[str], None] = lambda _: None
    secrets: Secrets = field(default_factory=Secrets)

    def __post_init__(self) -> None:
        rng = random.Random(self.storm.seed)  # noqa: S311 - a test
        self.lives = Lives(self.stage.simulator, self.stage.app_id, rng, self.storm.accounts)
        self.kills = Kills(self.stage, self.api_server, rng, self.storm.kills)

    async def run(self) -> Outcome:
        """Let it rage and settle; judge."""
        began = time.monotonic()
        collecting = asyncio.create_task(self._collect())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._live())
                tasks.create_task(self.kills.run(lambda: self.lives.events, self.storm.events))
            self.say(self.progress())
            raged = time.monotonic() - began
            await self._rest()
        finally:
            collecting.cancel()
        self.secrets.collect(self.stage.simulator)
        return await self._judge(raged, time.monotonic() - began)

    async def _live(self) -> None:
        while self.lives.events < self.storm.events:
            await until(self._has_room, within=_ROOM_WITHIN)
            self.lives.act()
            await asyncio.sleep(0.005)

    def _has_room(self) -> bool:
        dispatcher = self.stage.simulator.dispatcher
        under_way = len(dispatcher._tasks) + len(dispatcher._parked)
        return under_way < _AT_ONCE and len(self.lives.pending()) < _MOST_PENDING

    async def _collect(self) -> None:
        for turn in itertools.count():
            self.secrets.collect(self.stage.simulator)
            if turn % 15 == 14:
                self.say(self.progress())
            await asyncio.sleep(_COLLECT_EVERY)

    def progress(self) -> str:
        """Return in a line how far it is."""
        states = Counter(each.state for each in self.stage.simulator.dispatcher.log)
        pending = len(self.lives.pending())
        return f"{dict(states)} events; {dict(self.kills.done)} killed; {pending} installations wait for an answer"

    async def _rest(self) -> None:
        """Wait until Talkdesk has delivered or given up everything, and waits for no answer; not for ever."""
        try:
            await until(self._rests, within=self.storm.rest)
        except TimeoutError:
            return  # what still waits is part of the verdict

    async def _rests(self) -> bool:
        dispatcher = self.stage.simulator.dispatcher
        await asyncio.sleep(0.5)
        return not dispatcher._tasks and not dispatcher._parked and not self._verdict().unanswered()

    def _verdict(self) -> Verdict:
        return Verdict(self.stage, {}, {}, {}, _KEEP_FOR)

    async def _last_verdict(self) -> Verdict:
        installations = await self.stage.listed("talkdeskinstallations")
        data = await self.stage.tenant_objects("configmaps")
        return Verdict(self.stage, installations, await self.stage.credentials(), data, _KEEP_FOR)

    async def _judge(self, raged: float, took: float) -> Outcome:
        verdict, found = await self._last_verdict(), deletions(self.audit)
        wrong = {
            "acknowledged events lost": list(verdict.lost()),
            "credentials lost": list(verdict.credentials_lost()),
            "double answers": list(verdict.doubles()),
            "wrong deletions": list(verdict.wrong(found)),
            "unanswered": verdict.unanswered(),
            "too little happened": list(verdict.hollow()),
            "texts with a secret": list(self.secrets.found_in(await self._texts())),
        }
        killed = ", ".join(f"{number} {who}" for who, number in self.kills.done.items())
        by_themselves = sum(len(each.ended) for each in self.stage.programs)
        size = sum(len(text) for _, text in await self._texts())
        figures = {
            "events": f"{self.lives.events:,} of {len(self.lives.accounts):,} accounts",
            "deliveries": f"{sum(len(d.attempts) for d in self.stage.simulator.dispatcher.log):,}",
            "killed": f"{killed}; ended by themselves and started again: {by_themselves}",
            "acknowledged": f"{len(verdict.acknowledged):,}; given up by Talkdesk: {len(verdict.given_up):,}",
            "answered": f"{verdict.answered:,}; customers who have the app at the end: {verdict.customers:,}",
            "answers for which nothing waited any more": f"{verdict.moot:,}",
            "deletions of tenants' objects": f"{len(found):,}, of which {verdict.crossed} crossed with a reinstall",
            "acknowledgements of credentials that came again": f"{verdict.repeated_acknowledgements():,}",
            "secrets looked for": f"{self.secrets.count:,} in {size / 1e6:.0f} MB",
            "time": f"{raged:.0f} s, and {took - raged:.0f} s until rest",
        }
        return Outcome(figures, wrong)

    async def _texts(self) -> list[tuple[str, bytes]]:
        logs = [(f"a log of {each.name}", bytes(log)) for each in self.stage.programs for log in each.logs]
        logs += [("a log of the API server", text.encode()) for text in self.api_server.read_logs()]
        metrics = [(f"metrics of {each.name}", (await each.fetch("/metrics")).content) for each in self.stage.programs]
        kinds = ("talkdeskapps", "talkdeskinstallations", "talkdesktenants")
        objects = [(kind, json.dumps(await self.stage.listed(kind)).encode()) for kind in kinds]
        events = ("Kubernetes Events", json.dumps(await self.stage.events()).encode())
        return [*logs, *metrics, *objects, events, ("the audit log", self.audit.read_bytes())]


@asynccontextmanager
async def raging(storm: Storm) -> AsyncIterator[Chaos]:
    """Start everything for a storm."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        audit = Audit(folder / "policy.json", folder / "audit.log")
        audit.policy.write_text(json.dumps(AUDIT_POLICY))
        server = stack.enter_context(restartable(audit))
        await server.start()
        delays = tuple(timedelta(seconds=minutes * storm.minute) for minutes in _RETRIES)
        behavior = Behavior(timestamp_form="milliseconds", retry_delays=delays, delivery_timeout=_TIMEOUT)
        retention = {"keepFor": f"{_KEEP_FOR.total_seconds():.0f}s"}
        variables = stack.enter_context(seeded(storm.fault))
        crew = Crew(operators=2, webhooks=2, debug=storm.debug, variables=variables)
        stage = await stack.enter_async_context(staged(server.cluster, behavior, crew, retention=retention))
        yield Chaos(stage, server, storm, audit.log)
