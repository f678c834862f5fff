"""The simulator without its HTTP side: all parts wired together, a method for each command, and time.

Belongs here: wiring, the clock's effects, settings, delivery of new events. Does not belong here: HTTP (`api`,
`control`), rules (`lifecycle`), carrying out commands (`commands`). Only `move` waits for deliveries.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from talkdesk_sandbox.simulator import commands, views
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.commands import customers, staff
from talkdesk_sandbox.simulator.commands.target import find
from talkdesk_sandbox.simulator.crypto.signing_keys import KEY_ID_HEADER, SIGNATURE_HEADER, SigningKeys
from talkdesk_sandbox.simulator.delivery.deliveries import SignedEvent
from talkdesk_sandbox.simulator.delivery.dispatcher import Dispatcher
from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.http.journal import Journal
from talkdesk_sandbox.simulator.lifecycle import timeouts
from talkdesk_sandbox.simulator.oauth.codes import AuthorizationCodes
from talkdesk_sandbox.simulator.oauth.id_tokens import IdTokens
from talkdesk_sandbox.simulator.oauth.logins import Logins
from talkdesk_sandbox.simulator.oauth.tokens import Tokens
from talkdesk_sandbox.simulator.settings import Behavior, Settings
from talkdesk_sandbox.simulator.state.entities import Account, Event, Installation
from talkdesk_sandbox.simulator.state.links import Links
from talkdesk_sandbox.simulator.state.talkdesk_state import TalkdeskState
from talkdesk_sandbox.simulator.views import build

_C = TypeVar("_C")
_TICK_SECONDS = 0.25


class Simulator:
    """A simulated Talkdesk; everything runs in one event loop."""

    def __init__(
        self, settings: Settings, *, public_url: str, client: httpx.AsyncClient, clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock(settings.clock_offset)
        self.state = TalkdeskState(Links(public_url, settings.id_domain), settings.behavior, seed=settings.seed)
        self.logins, self.codes = Logins(self.state, self.clock), AuthorizationCodes(self.state, self.clock)
        self.id_tokens = IdTokens(self.state, self.clock)
        self.tokens = Tokens(self.state, self.clock, self.codes, self.id_tokens)
        self.signing = SigningKeys(settings.behavior.signature_curve, self.clock.now())
        self.faults = FaultBook(settings.seed)
        self.journal = Journal()
        self.dispatcher = Dispatcher(
            client,
            self.clock,
            self.faults,
            self.sign,
            lambda: self.state.behavior,
            concurrency=settings.delivery_concurrency,
        )
        self._callback = settings.callback_url

    # What customers do. Each returns what has happened.

    def install(self, command: commands.Install) -> views.Outcome:
        """Install an app. Raises ConflictError for a taken account id."""
        return self._carry_out(customers.install, command, deliver=command.deliver)

    def update(self, command: commands.Update) -> views.Outcome:
        """Request other users or another plan. Raises NotFoundError, ConflictError."""
        return self._carry_out(customers.update, command, deliver=command.deliver)

    def uninstall(self, command: commands.Uninstall) -> views.Outcome:
        """Request the uninstall. Raises NotFoundError, ConflictError."""
        return self._carry_out(customers.uninstall, command, deliver=command.deliver)

    def reinstall(self, command: commands.Reinstall) -> views.Outcome:
        """Install again what the account had before. Raises NotFoundError."""
        return self._carry_out(customers.reinstall, command, deliver=command.deliver)

    def logout(self, command: commands.Logout) -> views.Outcome:
        """Log a user out of Talkdesk, of which this installation hears. Raises NotFoundError."""
        installation = find(self.state, command)
        user_id = command.user or next(iter(installation.users), "")
        outcome = self._carry_out(customers.logout, command, deliver=command.deliver)
        self.logins.end(self.state.account_of(installation), user_id)
        return outcome

    def end_user_session(self, account: Account, user_id: str) -> None:
        """Log a user out of Talkdesk, of which every installation hears that the user has a license of."""
        self.logins.end(account, user_id)
        for installation in self.state.installations_of(account, user_id):
            self.logout(commands.Logout(installation=installation.id, user=user_id))

    def launch(self, command: commands.Launch) -> views.LaunchView:
        """Return what opens an installation's app for whoever is logged in. Raises NotFoundError."""
        installation = find(self.state, command)
        account = self.state.account_of(installation)
        identity = self.state.links_of(account).identity(account.name)
        return views.LaunchView(url=f"{identity}/launch?installation={quote(installation.id, safe='')}")

    # What Talkdesk, its staff and partners do.

    def rotate(self, command: commands.Rotate) -> views.Outcome:
        """Rotate credentials. Raises NotFoundError, ConflictError."""
        return self._carry_out(staff.rotate, command, deliver=command.deliver)

    def trial(self, command: commands.TrialCommand) -> views.Outcome:
        """Start, extend or end a trial. Raises NotFoundError, ConflictError."""
        return self._carry_out(staff.trial, command, deliver=command.deliver)

    def supervise(self, command: commands.Supervise) -> views.Outcome:
        """Suspend, resume or revoke an installation. Raises NotFoundError, ConflictError."""
        return self._carry_out(staff.supervise, command, deliver=True)

    def change_users(self, command: commands.Users) -> list[str]:
        """Change an account's users; return the ids of the added ones. Raises NotFoundError."""
        return staff.change_users(self.state, command, self.clock.now())

    def rename(self, command: commands.Rename) -> None:
        """Rename an account. Raises NotFoundError, ConflictError."""
        staff.rename(self.state, command)

    def change_app(self, command: commands.AppChange) -> None:
        """Change an app; register it when it is new."""
        staff.change_app(self.state, command, self.clock.now())

    # Settings and signing keys.

    def change_settings(self, patch: dict[str, Any]) -> Behavior:
        """Change the behavior and return it. Raises pydantic.ValidationError before any change."""
        before = self.state.behavior
        self.state.behavior = Behavior.model_validate(before.model_dump() | patch)
        if self.state.behavior.signature_curve != before.signature_curve:
            self.rotate_signing_key()
        return self.state.behavior

    def rotate_signing_key(self) -> str:
        """Sign with a new key from now on; return its id."""
        behavior = self.state.behavior
        return self.signing.rotate(behavior.signature_curve, self.clock.now(), behavior.signing_key_grace).key_id

    def sign(self, event: Event) -> SignedEvent:
        """Sign an event with the current key."""
        key = self.signing.current
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: key.sign(event.body, self.state.behavior.signature_form),
            KEY_ID_HEADER: key.key_id,
        }
        return SignedEvent(event.id, headers, event.body)

    # Delivery.

    def callback(self, app_id: str) -> str | None:
        """Return the URL that an app's events are sent to; None when there is none."""
        url = self.state.app(app_id).callback or self._callback
        return url.replace("{app_id}", app_id) if url else None

    def deliver(self, event: Event, url: str | None = None) -> bool:
        """Deliver an event, also one that was delivered before; return False when there is no callback."""
        target = url or self.callback(event.app_id)
        if target:
            self.dispatcher.submit(event, target)
        return target is not None

    def flush(self, *, deliver: bool = True) -> list[Event]:
        """Deliver the events in the outbox, or only remove them from it; return them."""
        created = self.state.take_outbox()
        for event in created if deliver else ():
            self.deliver(event)
        return created

    # Time.

    def apply_due(self) -> None:
        """Do what is due now: timeouts of answers, ends of trials, retries of deliveries."""
        timeouts.apply_due(self.state, self.clock.now())
        self.flush()
        self.dispatcher.retry_due()
        self.tokens.remove_expired()
        self.logins.remove_ended()

    async def move(self, by: timedelta) -> datetime:
        """Move the clock; it stops wherever something is due so that all happens in order. Raises ValueError."""
        clock = self.clock
        if by < timedelta():
            clock.forward(by)
        target = clock.offset + by
        while (due := self._next_due()) is not None and due <= clock.now() + (target - clock.offset):
            clock.forward_to(due)
            self.apply_due()
            await self.dispatcher.drain()
        clock.forward(target - clock.offset)
        self.apply_due()
        await self.dispatcher.drain()
        return clock.now()

    async def run(self) -> None:
        """Do what is due, again and again until cancelled."""
        while True:
            self.apply_due()
            await asyncio.sleep(_TICK_SECONDS)

    def _next_due(self) -> datetime | None:
        times = (timeouts.next_due(self.state), self.dispatcher.next_due())
        return min((time for time in times if time is not None), default=None)

    def _carry_out(
        self, function: Callable[[TalkdeskState, _C, datetime], Installation], command: _C, *, deliver: bool
    ) -> views.Outcome:
        installation = function(self.state, command, self.clock.now())
        created = self.flush(deliver=deliver)
        kept = deliver and bool(created) and self.callback(installation.app_id) is None
        return build.outcome(self.state, installation, created, kept=kept)
