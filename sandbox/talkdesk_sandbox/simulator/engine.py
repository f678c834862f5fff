"""The engine: a world with its clock, its signing keys and its courier, and time passing in it.

Belongs here: wiring, time, delivery, settings. Does not belong here: what customers and staff do (`simulator`), HTTP.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx

from talkdesk_sandbox.simulator import time_passing
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.courier import Courier, SignedEvent
from talkdesk_sandbox.simulator.faults import FaultBook
from talkdesk_sandbox.simulator.journal import Journal
from talkdesk_sandbox.simulator.links import Links
from talkdesk_sandbox.simulator.model import Event
from talkdesk_sandbox.simulator.settings import Behaviour, Settings
from talkdesk_sandbox.simulator.signing import KEY_ID_HEADER, SIGNATURE_HEADER, SigningKeys
from talkdesk_sandbox.simulator.tokens import Tokens
from talkdesk_sandbox.simulator.world import World

_TICK_SECONDS = 0.25


class Engine:
    """What makes a world run; everything in one event loop."""

    def __init__(
        self, settings: Settings, *, public_url: str, client: httpx.AsyncClient, clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock(settings.clock_offset)
        self.world = World(Links(public_url, settings.id_domain), settings.behaviour, seed=settings.seed)
        self.tokens = Tokens(self.world, self.clock)
        self.signing = SigningKeys(settings.behaviour.signature_curve, self.clock.now())
        self.faults = FaultBook(settings.seed)
        self.journal = Journal()
        self.courier = Courier(
            client,
            self.clock,
            self.faults,
            self.sign,
            lambda: self.world.rules,
            concurrency=settings.delivery_concurrency,
        )
        self._callback = settings.callback_url

    def change_settings(self, patch: dict[str, Any]) -> Behaviour:
        """Change behaviour. Raises pydantic.ValidationError and leaves all as it was."""
        before = self.world.rules
        self.world.rules = Behaviour.model_validate(before.model_dump() | patch)
        if self.world.rules.signature_curve != before.signature_curve:
            self.rotate_signing_key()
        return self.world.rules

    def rotate_signing_key(self) -> str:
        """Sign with a new key from now on; return its id."""
        rules = self.world.rules
        return self.signing.rotate(rules.signature_curve, self.clock.now(), rules.signing_key_grace).key_id

    def sign(self, event: Event) -> SignedEvent:
        """Sign an event with the current key."""
        key = self.signing.current
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: key.sign(event.body, self.world.rules.signature_form),
            KEY_ID_HEADER: key.key_id,
        }
        return SignedEvent(event.id, headers, event.body)

    def callback(self, app_id: str) -> str | None:
        """Return the address that an app's events go to."""
        own = self.world.app(app_id).callback or self._callback
        return own.replace("{app_id}", app_id) if own else None

    def deliver(self, event: Event, url: str | None = None) -> bool:
        """Deliver an event, again if it was before; False when there is nowhere to."""
        target = url or self.callback(event.app_id)
        if target:
            self.courier.submit(event, target)
        return target is not None

    def flush(self, *, deliver: bool = True) -> list[Event]:
        """Empty the outbox into the courier, or into nothing."""
        raised = self.world.take_outbox()
        for event in raised if deliver else ():
            self.deliver(event)
        return raised

    def advance(self) -> None:
        """Let happen what is due: answers that never came, trials' ends, retries."""
        time_passing.advance(self.world, self.clock.now())
        self.flush()
        self.courier.retry_due()
        self.tokens.forget_expired()

    async def move(self, by: timedelta) -> datetime:
        """Move the clock, stopping at each mark on the way so that all happens in order. Raises ValueError."""
        clock = self.clock
        if by < timedelta():
            clock.forward(by)
        target = clock.offset + by
        while (due := self._next_due()) is not None and due <= clock.now() + (target - clock.offset):
            clock.forward_to(due)
            self.advance()
            await self.courier.settled()
        clock.forward(target - clock.offset)
        self.advance()
        await self.courier.settled()
        return clock.now()

    async def run(self) -> None:
        """Let time pass until cancelled."""
        while True:
            self.advance()
            await asyncio.sleep(_TICK_SECONDS)

    def _next_due(self) -> datetime | None:
        marks = (time_passing.next_due(self.world), self.courier.next_due())
        return min((mark for mark in marks if mark is not None), default=None)
