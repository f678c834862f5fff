"""A rolling update under a stream of events: none is refused, and none that was acknowledged is missing."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from builders.balancer import Balancer, balancing
from builders.event_stream import streaming
from builders.place import Place
from builders.say import Say
from builders.serving import until
from builders.webhook_process import WebhookProcess, webhook_process

DELAY = "2s"
"""Longer than the balancer needs to send elsewhere."""


@dataclass
class Deployment:
    """Replicas behind the balancer."""

    place: Place
    balancer: Balancer
    replicas: list[tuple[WebhookProcess, AsyncExitStack]] = field(default_factory=list)

    async def start(self) -> None:
        stack = AsyncExitStack()
        settings = {"shutdown_delay": DELAY, "request_timeout": "15s", "shutdown_timeout": "20s"}
        settings |= {"kubernetes_timeout": "15s"}  # the machine may be slow; the API server isn't away
        replica = await stack.enter_async_context(
            webhook_process(self.place.kubeconfig, self.place.namespace, **settings)
        )
        self.replicas.append((replica, stack))
        self.balancer.backends.append(replica)
        await until(lambda: replica in self.balancer.ready, within=60)

    async def replace(self) -> None:
        """Start a replica, and then end the oldest, as a Deployment with maxUnavailable 0 does."""
        await self.start()
        oldest, stack = self.replicas.pop(0)
        oldest.terminate()
        await until(lambda: oldest not in self.balancer.ready, within=10)
        assert oldest.process.returncode is None, "it is still draining when it is no longer sent anything"
        assert await asyncio.wait_for(oldest.process.wait(), 60) == 0
        self.balancer.backends.remove(oldest)
        await stack.aclose()
        assert b'"server.draining"' in oldest.log
        assert b"Traceback" not in oldest.log

    async def kill(self) -> None:
        """End the oldest as the kernel does when memory is short."""
        oldest, stack = self.replicas.pop(0)
        oldest.process.kill()
        self.balancer.backends.remove(oldest)
        await stack.aclose()

    async def stop(self) -> None:
        for _, stack in self.replicas:
            await stack.aclose()


async def test_rolling_updates_refuse_no_event_and_lose_none(place: Place, say: Say) -> None:
    async with balancing() as balancer, AsyncExitStack() as stack:
        deployment = Deployment(place, balancer)
        stack.push_async_callback(deployment.stop)
        await deployment.start()
        await deployment.start()
        async with streaming(place, balancer.url) as stream:
            await stream.more()
            for _ in range(4):
                await deployment.replace()
                await stream.more()
        say(f"{len(stream.acknowledged)} events while 4 replicas were replaced, {len(stream.failed)} failed")
        assert stream.failed == []
        assert balancer.refused == 0
        assert stream.lost() == set()


async def test_a_killed_replica_loses_no_event_that_it_acknowledged(place: Place, say: Say) -> None:
    async with balancing() as balancer, AsyncExitStack() as stack:
        deployment = Deployment(place, balancer)
        stack.push_async_callback(deployment.stop)
        await deployment.start()
        async with streaming(place, balancer.url) as stream:
            for _ in range(3):
                await deployment.start()
                await stream.more()
                await deployment.kill()
                await stream.more()
        say(f"{len(stream.acknowledged)} events acknowledged while 3 replicas were killed, {len(stream.failed)} not")
        assert stream.lost() == set()
        assert len(stream.acknowledged) > len(stream.failed)
