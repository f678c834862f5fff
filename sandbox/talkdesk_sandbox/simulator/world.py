"""The world: everything the pretend Talkdesk knows, in memory.

Belongs here: keeping and finding apps, accounts, installations, credentials and events; raising events.
Does not belong here: input and output, clocks (each call gets `now`), lifecycle rules (`lifecycle`, `installations`).

Errors::

    WorldError             the caller asked for something this world can't do
    ├── NotFoundError      no such app, account, installation, user, event
    └── ConflictError      it exists, but its state forbids the request
"""

import random
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Literal, TypeVar

import orjson

from talkdesk_sandbox.simulator import events
from talkdesk_sandbox.simulator.keys import KeyMaker
from talkdesk_sandbox.simulator.lifecycle import LIVE
from talkdesk_sandbox.simulator.links import Links
from talkdesk_sandbox.simulator.model import Account, App, Credentials, Event, Installation, User
from talkdesk_sandbox.simulator.settings import DEFAULT_SCOPES, Behaviour

T = TypeVar("T")


class WorldError(Exception):
    """The caller asked for something this world can't do."""


class NotFoundError(WorldError):
    """No such thing."""


class ConflictError(WorldError):
    """Its state forbids the request."""


class World:
    """All state of one pretend Talkdesk."""

    def __init__(self, links: Links, rules: Behaviour, *, seed: int = 0, keys: KeyMaker | None = None) -> None:
        self.links = links
        self.rules = rules
        self.keys = keys or KeyMaker()
        self.apps: dict[str, App] = {}
        self.accounts: dict[str, Account] = {}
        self.installations: dict[str, Installation] = {}
        self.clients: dict[str, tuple[Installation, Credentials]] = {}
        self.events: dict[str, Event] = {}
        self.outbox: list[Event] = []
        """Events raised and not taken for delivery yet."""
        self._names: dict[str, Account] = {}
        self._rng = random.Random(seed)  # noqa: S311 - chance, not secrecy; seeded so that runs repeat

    def app(self, app_id: str) -> App:
        """Find an app. Raises NotFoundError."""
        return _found(self.apps.get(app_id), f"no app {app_id!r}")

    def ensure_app(self, app_id: str, now: datetime) -> App:
        """Find an app, or register one with the default scopes."""
        if app_id not in self.apps:
            scopes = dict.fromkeys(DEFAULT_SCOPES, now)
            self.apps[app_id] = App(app_id, f"app-{app_id[:8]}", new_id(), "1.0.0", scopes)
        return self.apps[app_id]

    def account(self, name: str) -> Account:
        """Find an account by name. Raises NotFoundError."""
        return _found(self.account_named(name), f"no account {name!r}")

    def account_named(self, name: str) -> Account | None:
        """Find an account by name, or nothing."""
        return self._names.get(name)

    def add_account(self, account: Account) -> None:
        """Keep a new account."""
        self.accounts[account.id] = self._names[account.name] = account

    def rename_account(self, account: Account, name: str) -> None:
        """Keep an account under another name."""
        del self._names[account.name]
        account.name = name
        self._names[name] = account

    def links_of(self, account: Account) -> Links:
        """Return the addresses that an account's events and answers name."""
        return replace(self.links, root=account.root) if account.root else self.links

    def user(self, account: Account, user_id: str) -> User:
        """Find a user of an account. Raises NotFoundError."""
        return _found(account.users.get(user_id), f"no user {user_id!r} in account {account.name!r}")

    def event(self, event_id: str) -> Event:
        """Find an event. Raises NotFoundError."""
        return _found(self.events.get(event_id), f"no event {event_id!r}")

    def installation(self, installation_id: str) -> Installation:
        """Find an installation by id. Raises NotFoundError."""
        return _found(self.installations.get(installation_id), f"no installation {installation_id!r}")

    def newest(self, account_name: str, app_id: str | None = None, *, live: bool = True) -> Installation:
        """Find an account's newest installation, of one app or any. Raises NotFoundError."""
        account = self.account(account_name)
        fitting = [
            installation
            for installation in self.installations.values()
            if installation.account_id == account.id
            and (app_id is None or installation.app_id == app_id)
            and (installation.state in LIVE or not live)
        ]
        return _found(fitting[-1] if fitting else None, f"account {account_name!r} has no {'live ' * live}installation")

    def account_of(self, installation: Installation) -> Account:
        """Return the account of an installation."""
        return self.accounts[installation.account_id]

    def issue_credentials(self, installation: Installation, now: datetime) -> Credentials:
        """Make a new set of credentials for an installation, beside those it has."""
        key = self.keys.make(self.rules.key_algorithm)
        issued = Credentials(new_id(), new_id(), now, secrets.token_urlsafe(48), key)
        installation.credentials.append(issued)
        self.clients[issued.client_id] = (installation, issued)
        return issued

    def time_form(self) -> Literal["seconds", "milliseconds"]:
        """Choose the form of the next timestamp."""
        if self.rules.timestamp_form == "random":
            return self._rng.choice(("seconds", "milliseconds"))
        return self.rules.timestamp_form

    def raise_event(
        self, event_type: str, installation: Installation, content: tuple[events.Json, events.Json], now: datetime
    ) -> Event:
        """Keep an event and put it into the outbox."""
        event_id, app = new_id(), self.apps[installation.app_id]
        created_at = events.format_time(now, self.time_form())
        links = self.links_of(self.account_of(installation))
        document = events.envelope(event_id, event_type, app, created_at, content, links, self.rules)
        event = Event(
            event_id,
            event_type,
            app.id,
            installation.account_id,
            installation.id,
            now,
            document,
            orjson.dumps(document),
        )
        self.events[event_id] = event
        self.outbox.append(event)
        return event

    def take_outbox(self) -> list[Event]:
        """Empty the outbox."""
        taken, self.outbox = self.outbox, []
        return taken


def new_id() -> str:
    """Make an id as Talkdesk's examples have them: 32 hex digits."""
    return secrets.token_hex(16)


def _found(thing: T | None, message: str) -> T:
    if thing is None:
        raise NotFoundError(message)
    return thing
