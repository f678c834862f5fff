"""Several replicas of the operator on a platform, each with a gate of its own, so that each write is somebody's."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from builders.child import Child
from builders.kube_gate import Call, KubeGate, gate
from builders.platform import FREE_SIDE_PORTS, Platform
from builders.stack import Customer
from talkdesk_crds.shard_slots import shard_slot
from talkdesk_operator.process.layout import shard_of

__all__ = ["PLAIN", "Replica", "Replicas", "replicas"]

PLAIN = "talkdesk-operator"


@dataclass(eq=False)
class Replica:
    """One process."""

    name: str
    count: int
    """How many shards there are, by its settings."""
    gate: KubeGate
    child: Child
    probes: int = 0
    _parsed: tuple[int, dict[int, list[datetime]]] = field(default=(0, {}))

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return what it has logged of an event."""
        found = [line for line in self.child.log.splitlines() if line.startswith(b"{") and event.encode() in line]
        return [line for line in map(json.loads, found) if line["event"] == event]

    async def readiness(self) -> str:
        """Return what /readyz says."""
        try:
            url = f"http://127.0.0.1:{self.probes}/readyz"
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return (await answer.text()).strip()
        except aiohttp.ClientError as error:
            return type(error).__name__

    def took(self, customer: Customer, before: datetime) -> datetime | None:
        """Return when it last took the shard of an account, before that moment."""
        slot = shard_slot(customer.stack.namespace, customer.stack.app, customer.account_id)
        times = self.acquisitions().get(slot % self.count, [])
        return max((each for each in times if each <= before), default=None)

    def acquisitions(self) -> dict[int, list[datetime]]:
        """Return when it took which shard, by index."""
        size = len(self.child.log)
        if self._parsed[0] != size:
            taken: dict[int, list[datetime]] = {}
            for line in self.lines("leader.acquired"):
                shard = shard_of(PLAIN, line["lease"])
                moments = taken.setdefault(0 if shard is None else shard.index, [])
                moments.append(datetime.fromisoformat(line["time"]))
            self._parsed = size, taken
        return self._parsed[1]


@dataclass(eq=False)
class Replicas:
    """Made by `replicas`."""

    platform: Platform
    folder: Path
    stack: AsyncExitStack
    all: list[Replica] = field(default_factory=list)

    async def start(self, name: str, shards: int) -> Replica:
        """Start one, and wait until it is ready or works."""
        own = await self.stack.enter_async_context(gate(self.platform.kube.server, self.platform.trust))
        self.platform.gates[name] = own
        config = json.loads(self.platform.kubeconfigs["operator"].read_text())
        config["clusters"][0]["cluster"] = {"server": own.url}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(config))
        settings = {
            "KUBECONFIG": str(path),
            "NAMESPACES": self.platform.namespace,
            "LEASE_NAMESPACE": self.platform.namespace,
            "LEASE_NAME": PLAIN,
            "SHARDS": str(shards),
            "ALLOW_INSECURE": "true",
            **FREE_SIDE_PORTS,
        }
        child = await Child.start("talkdesk_operator", {f"TALKDESK_OPERATOR_{k}": v for k, v in settings.items()})
        replica = Replica(name, shards, own, child)
        self.all.append(replica)
        replica.probes = (await child.logged("probes.listening"))["port"]
        await self.until(lambda: self._is_ready(replica), f"{name} is ready")
        return replica

    async def _is_ready(self, replica: Replica) -> bool:
        assert not replica.child.ended, self._last_words()
        return await replica.readiness() in ("running", "standby")

    async def held(self) -> dict[str, str]:
        """Return who has which Lease, by the names of replicas; Leases that nobody has are left out."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.platform.namespace}/leases"
        leases = (await self.platform.kube.request("GET", path))["items"]
        identities = {each.lines("leader.acquired")[0]["identity"]: each.name for each in self.all if self._led(each)}
        holders = {each["metadata"]["name"]: each["spec"].get("holderIdentity") for each in leases}
        return {name: identities.get(holder, "?") for name, holder in holders.items() if holder}

    def _led(self, replica: Replica) -> bool:
        return bool(replica.lines("leader.acquired"))

    async def until(self, condition: Any, what: str, *, within: float = 60.0) -> float:
        """Wait; return the seconds that it took."""
        began = time.monotonic()
        while not await condition():
            assert time.monotonic() - began < within, (what, await self.held(), self._last_words())
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    def _last_words(self) -> dict[str, str]:
        return {each.name: each.child.log.decode(errors="replace")[-1500:] for each in self.all}

    async def are_held(self, count: int, *, by: int | None = None) -> bool:
        """Return whether all shards of a layout are held by replicas that live, perhaps by so many."""
        living = {each.name for each in self.all if not each.child.ended and each.count == count}
        held = {name: holder for name, holder in (await self.held()).items() if holder in living}
        return len(held) == count and (by is None or len(set(held.values())) == by)

    def writes(self, customer: Customer) -> Iterator[tuple[datetime, Replica, Call]]:
        """Yield what was written of a customer's objects, by whom, in the order of time."""
        places = (customer.tenant_namespace, customer.name, customer.tenant_name)
        found = [
            (call.at, replica, call)
            for replica in self.all
            for call in replica.gate.writes()
            if any(part in places for part in call.path.split("/"))
        ]
        yield from sorted(found, key=lambda each: each[0])

    def overlaps(self, customer: Customer) -> list[str]:
        """Return who wrote for a customer although somebody else had its shard, and wrote, since."""
        writes = list(self.writes(customer))
        return [
            f"{other.name} wrote {call.path} at {at}, {replica.name} from {since} to {until}"
            for until, replica, _ in writes
            if (since := replica.took(customer, until)) is not None
            for at, other, call in writes
            if other is not replica and since < at < until
        ]


@asynccontextmanager
async def replicas(platform: Platform, folder: Path) -> AsyncIterator[Replicas]:
    """Kill at the end what is still there."""
    async with AsyncExitStack() as stack:
        made = Replicas(platform, folder, stack)
        try:
            yield made
        finally:
            for each in made.all:
                if not each.child.ended:
                    await each.child.kill()
