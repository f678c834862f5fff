"""Replicas that share the accounts, as real processes with their real rights, while customers install all the time.

Nobody is answered twice and no account is ever in two hands: while a replica is killed and another joins, and while a
rolling update changes the number of shards. Each replica has a gate of its own before the API server, which knows who
wrote what and when.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.manifest_files import COMPONENTS
from builders.platform import Platform, platform
from builders.replicas import PLAIN, Replica, Replicas, replicas
from builders.say import Say
from builders.stack import Customer, Stack, stack
from builders.stack_manifests import STEPS, config_map, moved, rights
from talkdesk_sandbox.controlplane import Cluster

pytestmark = pytest.mark.case(49)

ROLE = COMPONENTS / "shards" / "rbac.yaml"
TAKEN_OVER = 60.0
"""Seconds until the shards of a killed replica must be worked on; 15 for the Leases, then one look and a listing."""
CHANGED = 90.0
"""Seconds until another number of shards must count."""


@dataclass
class Life:
    """Customers who install while somebody watches who works for them."""

    talkdesk: Stack
    replicas: Replicas
    say: Say
    customers: list[Customer] = field(default_factory=list)

    async def go_on(self) -> None:
        """Let customers install, and change every tenant every few seconds, without end."""
        for number in range(10_000):
            self.customers.append(await self.talkdesk.install())
            if number % 5 == 4:
                marked = config_map({"round": str(number)}, "marked")
                await self.talkdesk.change_app(tenant={"steps": [*STEPS, {"name": "marked", "manifests": [marked]}]})
            await asyncio.sleep(0.5)

    async def check(self) -> None:
        """Wait until everybody has the app, and see by whom."""
        for customer in self.customers:
            await customer.becomes("Active", within=60)
        answers = Counter(tuple(customer.at_talkdesk.answers) for customer in self.customers)
        assert answers == {("approve:completed",): len(self.customers)}
        overlaps = [each for customer in self.customers for each in self.replicas.overlaps(customer)]
        assert overlaps == []
        writers = [{replica.name for _, replica, _ in self.replicas.writes(each)} for each in self.customers]
        calls = sum(len(list(self.replicas.writes(each))) for each in self.customers)
        most = max(map(len, writers))
        self.say(
            f"{len(self.customers)} customers, each answered once; {calls} writes, by up to {most} replicas in turn"
        )
        assert most > 1, "nothing was handed over"


@asynccontextmanager
async def living(programs: Platform, folder: Path, say: Say) -> AsyncIterator[Life]:
    """Let customers come until the end of the block, and check then what became of them."""
    async with replicas(programs, folder) as made:
        first = await made.start("first", 1)
        async with stack(programs) as talkdesk:
            assert await first.child.terminate() == 0
            life = Life(talkdesk, made, say)
            coming = asyncio.create_task(life.go_on())
            yield life
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await life.check()


@pytest.fixture
async def programs(crds: Cluster, namespace: str) -> AsyncIterator[Platform]:
    component = [moved(each, namespace) for each in yaml.safe_load_all(ROLE.read_text())]
    async with platform(crds, namespace, granted=[*rights(namespace), *component], operator=False) as made:
        yield made


async def test_a_killed_replicas_shards_are_taken_over_and_a_new_replica_gets_its_share(
    programs: Platform, tmp_path: Path, say: Say
) -> None:
    async with living(programs, tmp_path, say) as life:
        made = life.replicas
        first, *_ = [await made.start(f"r{number}", 4) for number in range(3)]
        took = await made.until(lambda: made.are_held(4, by=3), "three replicas hold four shards")
        say(f"three replicas hold all four shards {took:.1f} s after the last of them was ready")
        await asyncio.sleep(3)
        lost = [name for name, holder in (await made.held()).items() if holder == first.name]
        await first.child.kill()
        took = await made.until(lambda: made.are_held(4, by=2), "the others hold all", within=TAKEN_OVER)
        say(f"{len(lost)} shards of a killed replica are held by others after {took:.1f} s")
        fourth = await made.start("r3", 4)
        took = await made.until(lambda: made.are_held(4, by=3), "the new one holds a shard")
        say(f"a replica that joined was given a shard {took:.1f} s after it was ready, in order")
        assert fourth.lines("shards.asked")
        await asyncio.sleep(3)
        assert sorted(Counter((await made.held()).values()).values()) == [1, 1, 2]
        rights_that_are_used(made, programs.namespace)


def rights_that_are_used(made: Replicas, namespace: str) -> None:
    """See that the component's role gives what is needed and no more, for Leases that the base does not name."""
    role, _ = yaml.safe_load_all(ROLE.read_text())
    verbs = {"GET": "get", "PUT": "update", "POST": "create"}
    folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    calls = [call for each in made.all for call in each.gate.calls]
    used = {"list" for call in calls if (call.method, call.path) == ("GET", folder)}
    used |= {verbs[call.method] for call in calls if call.path.startswith(f"{folder}/{PLAIN}-")}
    assert sorted(used) == sorted(role["rules"][0]["verbs"])
    assert not [call.refusal for call in calls if call.refusal and "leases" in call.refusal]


async def update(made: Replicas, former: list[Replica], count: int) -> list[Replica]:
    """Replace replicas one by one, as a Deployment does: another is ready before one ends."""
    new: list[Replica] = []
    for number, each in enumerate(former):
        new.append(await made.start(f"{count} shards {number}", count))
        assert await each.child.terminate() == 0, each.child.log.decode(errors="replace")[-2000:]
    return new


async def test_the_number_of_shards_changes_by_a_rolling_update_while_customers_install(
    programs: Platform, tmp_path: Path, say: Say
) -> None:
    async with living(programs, tmp_path, say) as life:
        made = life.replicas
        now = [await made.start(f"1 shard {number}", 1) for number in range(2)]
        await made.until(lambda: made.are_held(1), "one leads")
        for count in (4, 2):
            began = time.monotonic()
            now = await update(made, now, count)
            await made.until(lambda count=count: made.are_held(count), f"{count} shards count", within=CHANGED)
            say(f"{count} shards are held {time.monotonic() - began:.1f} s after a rolling update began")
            await asyncio.sleep(3)
        lease: dict[str, Any] = json.loads(await programs.kubectl("get", "lease", PLAIN, "-o", "json"))
        assert [value for key, value in lease["metadata"]["annotations"].items() if "shards" in key] == ["2"]
