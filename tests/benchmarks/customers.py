"""Customers who install: signed `app.installed` events, made beforehand so that signing costs nothing while it counts.

Belongs here: what the pretend Talkdesk is asked for. Does not belong here: sending the events.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from benchmarks.sending import Request
from benchmarks.stage import APP, LIMIT, WORK, Stage
from talkdesk_sandbox.simulator.control import Client
from talkdesk_sandbox.simulator.faults import Delay
from talkdesk_sandbox.simulator.views import RecordView

__all__ = ["Customers", "Install"]

_AT_ONCE: Final = 8
_PREFIXES: Final = {APP: "customer"}
"""Of the customers' names, by the app."""


@dataclass(frozen=True, slots=True)
class Install:
    """One customer's install, ready to be posted."""

    account_id: str
    account: str
    installation_id: str
    request: Request


class Customers:
    """Makes installs; no two are of one account."""

    def __init__(self, stage: Stage, app_id: str, *, app: str = APP) -> None:
        self._stage = stage
        self._app = app
        self._app_id = app_id
        self._numbers = itertools.count()

    def install(self, count: int, *, for_operator: bool = True) -> list[Install]:
        """Make installs for the namespace where the operator works, or for the one where it does not."""
        url = self._stage.webhook_url(WORK if for_operator else LIMIT, self._app)
        names = [f"{_PREFIXES.get(self._app, self._app)}{next(self._numbers)}" for _ in range(count)]

        async def make(client: Client) -> list[Install]:
            places = asyncio.Semaphore(_AT_ONCE)

            async def one(name: str) -> Install:
                async with places:
                    made = await client.install(account=name, app_id=self._app_id, deliver=False)
                    signed = await client.sign(made.events[0].id)
                request = Request("POST", url, {**signed.headers}, signed.body)
                return Install(made.account_id, name, made.installation_id, request)

            return await asyncio.gather(*(one(name) for name in names))

        return self._stage.talkdesk(make)

    def set_delay(self, seconds: float) -> None:
        """Let every answer of Talkdesk's API come that much later."""

        async def change(client: Client) -> None:
            await client.clear_faults()
            if seconds:
                await client.set_fault(Delay(seconds=seconds))

        self._stage.talkdesk(change)

    def requests(self, effect: str | None = None) -> list[RecordView]:
        """Return what Talkdesk was asked since `forget`."""

        async def ask(client: Client) -> list[RecordView]:
            return await client.requests(effect=effect)

        return self._stage.talkdesk(ask)

    def forget(self) -> None:
        """Let the simulator forget what it was asked."""

        async def clear(client: Client) -> None:
            await client.clear_requests()

        self._stage.talkdesk(clear)

    def approvals(self, installs: Sequence[Install]) -> dict[str | None, datetime]:
        """Return when the approval of each install arrived at Talkdesk; of those that were approved."""
        approved = {record.installation_id: record.at for record in self.requests("approve") if record.status == 200}
        wanted = {install.installation_id for install in installs}
        return {name: at for name, at in approved.items() if name in wanted}
