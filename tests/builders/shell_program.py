"""The operator's process with a reconciler that only prints what it is asked to do, and writes each status once.

Run as a program, it prints one line of JSON for each reconcile.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from typing_extensions import override

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.process.controller import Parts
from talkdesk_operator.process.last_resort import end_when_continued, end_within
from talkdesk_operator.process.run import serve
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.queue import Cause, Reconcile, Result
from talkdesk_runtime import logs
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.fence import Fence
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_runtime.settings import read_settings


class StoppingFence(Fence):
    """Stops the process between the last look at the fence and the writing of a request, as can happen to any."""

    def __init__(self, fence: Fence) -> None:
        super().__init__(lambda: 0.0)
        self._fence = fence
        self._looks = 0

    @override
    def check(self) -> None:
        self._fence.check()
        self._looks += 1
        if self._looks == LOOKS:
            os.kill(os.getpid(), signal.SIGSTOP)


KEPT, PAUSE = 5, 0.01
"""After how many writes of one customer it says so, and seconds between them."""
LOOKS = 2
"""At a request with a body: before its headers and before its body."""


@dataclass(frozen=True)
class Writer:
    """Writes statuses."""

    parts: Parts

    async def write(self, installation: TalkdeskInstallation, generation: int, by: Kube | None = None) -> None:
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, *installation.key)
        status = {"status": {"observedGeneration": generation}}
        kube = by or self.parts.kube
        answer = await kube.request("PATCH", f"{path}/status", body=status, content_type=MERGE_PATCH)
        self.parts.on_own_write(answer)

    async def stop_while_writing(self, installation: TalkdeskInstallation) -> None:
        say("stops")
        await self.write(installation, 99, by=self.parts.kube.within(StoppingFence(self.parts.fence)))

    async def keep_writing(self, installation: TalkdeskInstallation) -> None:
        """Write without end, whoever cancels it, so that the fence is all that holds it back."""
        for number in itertools.count(2):
            with suppress(asyncio.CancelledError):
                await self._try(installation, number)
                await asyncio.sleep(PAUSE)
            if number == KEPT:
                say("keeps writing")

    async def _try(self, installation: TalkdeskInstallation, generation: int) -> None:
        try:
            await self.write(installation, generation)
        except KubeError as error:
            say("write refused", error=str(error))
            await asyncio.sleep(0.05)


@asynccontextmanager
async def build(parts: Parts) -> AsyncIterator[Reconcile]:
    writer = Writer(parts)

    async def reconcile(key: AccountKey, causes: frozenset[Cause]) -> Result:
        installations = parts.cache.installations(key)
        names = [installation.metadata.name for installation in installations]
        say("reconcile", account=key.account_id, causes=sorted(causes), installations=names)
        for installation in installations:
            if installation.status.observed_generation != installation.metadata.generation:
                await writer.write(installation, installation.metadata.generation)
                say("status written", account=key.account_id)
            match installation.spec.account_name:
                case "busy":
                    await writer.keep_writing(installation)
                case "deaf":
                    await never()
                case "stopped":
                    await writer.stop_while_writing(installation)
                case "slow":
                    await asyncio.sleep(1.5)
                    say("slow reconcile ended", account=key.account_id)
                case _:
                    pass
        return Result()

    yield reconcile
    say("closed")


async def never() -> None:
    """End at nothing, not even a cancellation."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = read_settings(Settings, sys.argv[1:])
    logs.configure(settings.log_level, settings.log_format)
    served = serve(settings, build, clock=Clock.system(), rng=new_rng(), ending=end_within, leading=end_when_continued)
    sys.exit(asyncio.run(served))
