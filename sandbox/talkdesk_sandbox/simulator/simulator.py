"""The simulator: the world, its clock and its courier behind one object with a method for each command.

Belongs here: wiring and carrying out commands. Does not belong here: HTTP (`api`, `control`), rules (`lifecycle`).
All of it runs in one event loop; commands are quick and don't wait for deliveries.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx

from talkdesk_sandbox.simulator import accounts, commands, installations, rotation, time_passing, trials, views
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.courier import Courier, SignedEvent
from talkdesk_sandbox.simulator.events import user_logout
from talkdesk_sandbox.simulator.faults import FaultBook
from talkdesk_sandbox.simulator.journal import Journal
from talkdesk_sandbox.simulator.links import Links
from talkdesk_sandbox.simulator.model import Change, Event, Installation, Subscription
from talkdesk_sandbox.simulator.settings import Behaviour, Settings
from talkdesk_sandbox.simulator.signing import KEY_ID_HEADER, SIGNATURE_HEADER, SigningKeys
from talkdesk_sandbox.simulator.tokens import Tokens
from talkdesk_sandbox.simulator.world import World

_TICK_SECONDS = 0.25
_MONTH = timedelta(days=30)


class Simulator:
    """A pretend Talkdesk without its HTTP side."""

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

    # What customers do.

    def install(self, command: commands.Install) -> commands.Outcome:
        """Install an app. Raises ConflictError for a taken account id."""
        now, app = self.clock.now(), self.world.ensure_app(command.app_id, self.clock.now())
        account = accounts.ensure_account(
            self.world,
            command.account,
            now,
            account_id=command.account_id,
            company_name=command.company_name,
            timezone=command.timezone,
        )
        accounts.add_users(account, max(0, command.users - len(account.users)), now)
        licensed = list(account.users)[: command.users]
        wanted = Subscription(**command.subscription.model_dump())
        installation = installations.install(self.world, app, account, wanted, licensed, now)
        return self._done(installation, command)

    def update(self, command: commands.Update) -> commands.Outcome:
        """Ask for a change. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        account, current = self.world.account_of(installation), installation.subscription
        if isinstance(command.adding, int):
            adding = [user.id for user in accounts.add_users(account, command.adding, now)]
        else:
            adding = [self.world.user(account, user_id).id for user_id in command.adding]
        change = Change(adding, list(command.removing))
        if {command.plan, command.type, command.licenses} != {None}:
            licenses = current.licenses if command.licenses is None else command.licenses
            change.subscription = Subscription(command.plan or current.name, command.type or current.type, licenses)
        installations.update(self.world, installation, change, now)
        return self._done(installation, command)

    def uninstall(self, command: commands.Uninstall) -> commands.Outcome:
        """Ask for the uninstall. Raises NotFoundError, ConflictError."""
        installation = self._find(command)
        reason = {"type": command.reason_type, "message": command.reason}
        installations.uninstall(self.world, installation, reason, self.clock.now())
        return self._done(installation, command)

    def reinstall(self, command: commands.Reinstall) -> commands.Outcome:
        """Install again what the account had. Raises NotFoundError."""
        before = self.world.newest(command.account, command.app_id, live=False)
        same = self.world.rules.reinstall_same_id if command.same_id is None else command.same_id
        installation = installations.install(
            self.world,
            self.world.app(before.app_id),
            self.world.account_of(before),
            before.subscription,
            before.users,
            self.clock.now(),
            installation_id=before.id if same else None,
        )
        return self._done(installation, command)

    def logout(self, command: commands.Logout) -> commands.Outcome:
        """Log a user out. Raises NotFoundError."""
        installation = self._find(command)
        user_id = command.user or next(iter(installation.users), "")
        user = self.world.user(self.world.account_of(installation), user_id)
        content = user_logout(installation, user, self.world.links)
        self.world.raise_event("user.logout", installation, content, self.clock.now())
        return self._done(installation, command)

    # What Talkdesk and its staff do.

    def rotate(self, command: commands.Rotate) -> commands.Outcome:
        """Rotate credentials. Raises NotFoundError, ConflictError."""
        installation = self._find(command)
        rotation.rotate(self.world, installation, self.clock.now(), compromised=command.compromised)
        return self._done(installation, command)

    def trial(self, command: commands.TrialCommand) -> commands.Outcome:
        """Start, extend or end a trial. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        match command.action:
            case "start":
                trials.start(self.world, installation, now, command.length)
            case "extend":
                trials.extend(self.world, installation, command.length or _MONTH, now)
            case "end":
                trials.end(self.world, installation, command.reason, now)
        return self._done(installation, command)

    def supervise(self, command: commands.Supervise) -> commands.Outcome:
        """Suspend, resume or revoke. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        match command.action:
            case "suspend":
                installations.suspend(installation, now)
            case "resume":
                installations.resume(installation, now)
            case "revoke":
                installations.revoke(installation, now)
        return self._done(installation, None)

    def change_users(self, command: commands.Users) -> list[str]:
        """Change an account's users; gives the ids of the added ones. Raises NotFoundError."""
        account = self.world.account(command.account)
        for user_id in command.deactivate:
            self.world.user(account, user_id).active = False
        accounts.remove_users(self.world, account, list(command.remove))
        added = [user.id for user in accounts.add_users(account, command.add, self.clock.now())]
        if command.license:
            for installation in self.world.installations.values():
                if installation.account_id == account.id:
                    installation.users |= dict.fromkeys(added)
        return added

    def rename(self, command: commands.Rename) -> None:
        """Rename an account. Raises NotFoundError, ConflictError."""
        accounts.rename(self.world, self.world.account(command.account), command.name)

    def change_app(self, command: commands.AppChange) -> None:
        """Change or register an app."""
        now = self.clock.now()
        app = self.world.ensure_app(command.app_id, now)
        app.name = command.name or app.name
        app.version_name = command.version_name or app.version_name
        app.callback = command.callback or app.callback
        if command.scopes is not None:
            later = now + self.world.rules.scope_propagation
            app.scopes = {scope: app.scopes.get(scope, later) for scope in command.scopes}

    # The simulator itself.

    def change_settings(self, patch: dict[str, Any]) -> Behaviour:
        """Change behaviour. Raises pydantic.ValidationError and leaves all as it was."""
        before = self.world.rules
        self.world.rules = Behaviour.model_validate(before.model_dump() | patch)
        if self.world.rules.signature_curve != before.signature_curve:
            self.rotate_signing_key()
        return self.world.rules

    def rotate_signing_key(self) -> str:
        """Sign with a new key from now on; gives its id."""
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
        """Give the address that an app's events go to."""
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
        if by < timedelta():
            self.clock.forward(by)
        target = self.clock.now() + by
        while (due := self._next_due()) is not None and due <= target:
            self.clock.forward_to(due)
            self.advance()
            await self.courier.settled()
        self.clock.forward_to(target)
        self.advance()
        await self.courier.settled()
        return self.clock.now()

    async def run(self) -> None:
        """Let time pass until cancelled."""
        while True:
            self.advance()
            await asyncio.sleep(_TICK_SECONDS)

    def _next_due(self) -> datetime | None:
        marks = (time_passing.next_due(self.world), self.courier.next_due())
        return min((mark for mark in marks if mark is not None), default=None)

    def _find(self, which: commands.Which) -> Installation:
        if which.installation is not None:
            return self.world.installation(which.installation)
        return self.world.newest(which.account or "", which.app_id)

    def _done(self, installation: Installation, command: Any) -> commands.Outcome:
        raised = self.flush(deliver=command is None or command.deliver)
        return views.outcome(self.world, installation, raised)
