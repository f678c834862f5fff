"""All state of one simulated Talkdesk, in memory.

Belongs here: keeping and finding apps, accounts, installations, credentials and events.
Does not belong here: input and output, clocks (each call gets `now`), rules and their effects (`lifecycle`).
"""

import random
import secrets
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from talkdesk_sandbox.simulator.crypto.key_pairs import KeyPairFactory
from talkdesk_sandbox.simulator.settings import DEFAULT_SCOPES, Behavior
from talkdesk_sandbox.simulator.state.entities import Account, App, Credentials, Event, Installation, User
from talkdesk_sandbox.simulator.state.errors import NotFoundError
from talkdesk_sandbox.simulator.state.installation_state import LIVE
from talkdesk_sandbox.simulator.state.links import Links

T = TypeVar("T")


class TalkdeskState:
    """Everything that one simulated Talkdesk knows."""

    def __init__(
        self, links: Links, behavior: Behavior, *, seed: int = 0, key_pairs: KeyPairFactory | None = None
    ) -> None:
        self.links = links
        self.behavior = behavior
        self.key_pairs = key_pairs or KeyPairFactory()
        self.random = random.Random(seed)  # noqa: S311 - chance, not secrecy; seeded so that a run can be repeated
        self.apps: dict[str, App] = {}
        self.accounts: dict[str, Account] = {}
        self.installations: dict[str, Installation] = {}
        self.clients: dict[str, tuple[Installation, Credentials]] = {}
        self.events: dict[str, Event] = {}
        self._outbox: list[Event] = []
        self._names: dict[str, Account] = {}

    def app(self, app_id: str) -> App:
        """Return an app. Raises NotFoundError."""
        return _found(self.apps.get(app_id), f"no app {app_id!r}")

    def ensure_app(self, app_id: str, now: datetime) -> App:
        """Return an app; register it with the default scopes when it is new."""
        if app_id not in self.apps:
            scopes = dict.fromkeys(DEFAULT_SCOPES, now)
            self.apps[app_id] = App(app_id, f"app-{app_id[:8]}", new_id(), "1.0.0", scopes)
        return self.apps[app_id]

    def account(self, name: str) -> Account:
        """Return an account by name. Raises NotFoundError."""
        return _found(self.account_named(name), f"no account {name!r}")

    def account_named(self, name: str) -> Account | None:
        """Return an account by name, or None."""
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
        """Return the URLs that an account's events and answers name."""
        return replace(self.links, root=account.root) if account.root else self.links

    def user(self, account: Account, user_id: str) -> User:
        """Return a user of an account. Raises NotFoundError."""
        return _found(account.users.get(user_id), f"no user {user_id!r} in account {account.name!r}")

    def event(self, event_id: str) -> Event:
        """Return an event. Raises NotFoundError."""
        return _found(self.events.get(event_id), f"no event {event_id!r}")

    def installation(self, installation_id: str) -> Installation:
        """Return an installation by id. Raises NotFoundError."""
        return _found(self.installations.get(installation_id), f"no installation {installation_id!r}")

    def newest(self, account_name: str, app_id: str | None = None, *, live: bool = True) -> Installation:
        """Return an account's newest installation, of one app or of any. Raises NotFoundError."""
        account = self.account(account_name)
        matching = [
            installation
            for installation in self.installations.values()
            if installation.account_id == account.id
            and (app_id is None or installation.app_id == app_id)
            and (installation.state in LIVE or not live)
        ]
        return _found(
            matching[-1] if matching else None, f"account {account_name!r} has no {'live ' * live}installation"
        )

    def installations_of(self, account: Account, user_id: str) -> list[Installation]:
        """Return an account's live installations of which a user has a license."""
        every = self.installations.values()
        return [
            each for each in every if each.account_id == account.id and each.state in LIVE and user_id in each.users
        ]

    def account_of(self, installation: Installation) -> Account:
        """Return the account of an installation."""
        return self.accounts[installation.account_id]

    def add_event(self, event: Event) -> None:
        """Keep a new event, and put it into the outbox."""
        self.events[event.id] = event
        self._outbox.append(event)

    def take_outbox(self) -> list[Event]:
        """Return the events that were created since the last call."""
        taken, self._outbox = self._outbox, []
        return taken


def new_id() -> str:
    """Return a new id in the form of Talkdesk's examples: 32 hex digits."""
    return secrets.token_hex(16)


def _found(thing: T | None, message: str) -> T:
    if thing is None:
        raise NotFoundError(message)
    return thing
