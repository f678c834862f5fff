"""The operator's process with a reconciler that only prints what it is asked to do, and writes each status once.

Run as a program, it prints one line of JSON for each reconcile.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.process.run import Parts, serve
from talkdesk_operator.settings import Settings
from talkdesk_operator.workqueue.queue import Cause, Reconcile, Result
from talkdesk_runtime import logs
from talkdesk_runtime.clock import Clock, new_rng
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.settings import read_settings


@asynccontextmanager
async def build(parts: Parts) -> AsyncIterator[Reconcile]:
    async def write(installation: TalkdeskInstallation) -> None:
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, *installation.key)
        status = {"status": {"observedGeneration": installation.metadata.generation}}
        answer = await parts.kube.request("PATCH", f"{path}/status", body=status, content_type=MERGE_PATCH)
        parts.on_own_write(answer)

    async def reconcile(key: AccountKey, causes: frozenset[Cause]) -> Result:
        installations = parts.cache.installations(key)
        names = [installation.metadata.name for installation in installations]
        say("reconcile", account=key.account_id, causes=sorted(causes), installations=names)
        for installation in installations:
            if installation.status.observed_generation != installation.metadata.generation:
                await write(installation)
            if installation.spec.account_name == "slow":
                await asyncio.sleep(1.5)
                say("slow reconcile ended", account=key.account_id)
        return Result()

    yield reconcile
    say("closed")


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = read_settings(Settings, sys.argv[1:])
    logs.configure(settings.log_level, settings.log_format)
    sys.exit(asyncio.run(serve(settings, build, clock=Clock.system(), rng=new_rng())))
