"""Users, orders and records for tests of what is done at a SCIM service."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from builders.objects import view
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.ports.cluster import NamedSecret
from talkdesk_operator.domain.ports.scim import Done, Order, Person, Put, Ref, Result, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.users.record import CAPACITY, Piece
from talkdesk_runtime.clock import Clock

TOKEN = "canary-scim-token"
CANARIES = ("canary", "ana")
"""Parts of every token, name and e-mail address here: they must show up in no message."""


def person(number: int = 1, **fields: Any) -> Person:
    known: dict[str, Any] = {
        "external_id": f"{number:024x}",
        "user_name": f"canary{number}@example.com",
        "email": f"canary{number}@example.com",
        "name": f"Ana Canary {number}",
        "active": True,
        "admin": False,
    }
    return Person(**(known | fields))


def order(number: int = 1, ref: Ref | None = None, *, roles: bool = True, **fields: Any) -> Put:
    return Put(person(number, **fields), ref, roles=roles)


def user(number: int = 1, **fields: Any) -> User:
    known: dict[str, Any] = {
        "id": f"{number:024x}",
        "email": f"canary{number}@example.com",
        "name": f"Ana Canary {number}",
        "active": True,
    }
    return User(**(known | fields))


def users(count: int) -> list[User]:
    return [user(number) for number in range(1, count + 1)]


async def pages(
    listed: Iterable[User], size: int = 100, error: Exception | None = None
) -> AsyncIterator[tuple[User, ...]]:
    """Talkdesk's list, page by page; `error` breaks it off at the end."""
    whole = list(listed)
    for start in range(0, len(whole), size):
        yield tuple(whole[start : start + size])
    if error is not None:
        raise error


def service(url: str, **fields: Any) -> Service:
    known: dict[str, Any] = {
        "url": url,
        "token": SecretStr(TOKEN),
        "timeout": timedelta(seconds=10),
        "concurrency": 4,
    }
    return Service(**(known | fields))


def app_with_scim(url: str, **scim: Any) -> CompiledApp:
    """An app that brings users to that URL; keywords are members of `users.scim`."""
    ref = {"name": "scim", "key": "token"}
    made = view(users={"scim": {"url": url, "tokenSecretRef": ref, "allowInsecure": True} | scim})
    return replace(made, allow_insecure=True)


@dataclass
class SecretsInMemory:
    """Secrets to be read."""

    held: dict[tuple[str, str], dict[str, SecretStr]] = field(
        default_factory=lambda: {("team", "scim"): {"token": SecretStr(f"{TOKEN}\n")}}
    )
    hosts: str = "*.example.com,app.example.com"
    """For which they may be used."""

    async def read(self, namespace: str, name: str) -> NamedSecret | None:
        data = self.held.get((namespace, name))
        metadata = {"annotations": {ANNOTATION_FOR_HOSTS: self.hosts}}
        return None if data is None else NamedSecret(metadata, data)


def secrets_for(url: str) -> SecretsInMemory:
    """The token, to be used where that URL leads."""
    return SecretsInMemory(hosts=urlsplit(url).netloc)


@dataclass
class RecordsInMemory:
    """Records of users that outlive the reconciler; a save raises `error` after `saves_before_error` good ones."""

    kept: dict[tuple[str, str], dict[int, Piece]] = field(default_factory=dict)
    saves: int = 0
    error: Exception | None = None
    saves_before_error: int = 0

    async def load(self, namespace: str, tenant: str) -> tuple[Piece, ...]:
        pieces, loaded = self.kept.get((namespace, tenant), {}), list[Piece]()
        while len(loaded) in pieces and (not loaded or loaded[-1].continued or len(loaded[-1].users) >= CAPACITY):
            loaded.append(pieces[len(loaded)])
        return tuple(loaded)

    async def save(self, namespace: str, tenant: str, pieces: Mapping[int, Piece]) -> None:
        if self.error is not None:
            if not self.saves_before_error:
                raise self.error
            self.saves_before_error -= 1
        self.saves += len(pieces)
        copies = {number: replace(each, users=dict(each.users)) for number, each in pieces.items()}
        self.kept.setdefault((namespace, tenant), {}).update(copies)

    async def drop(self, namespace: str, tenant: str) -> None:
        self.kept.pop((namespace, tenant), None)


@dataclass
class ScimInMemory:
    """A service that carries out orders, or returns what `answer` does."""

    given: list[tuple[Order, ...]] = field(default_factory=list)
    answer: Callable[[Order], Result] = lambda order: Done(Ref(f"p-{order.external_id}"))
    error: ScimError | None = None
    services: list[Service] = field(default_factory=list)

    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        assert within > timedelta()
        self.services.append(service)
        self.given.append(tuple(orders))
        return tuple(self.answer(each) for each in orders), self.error

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass
class HandClock:
    """Time that passes only while a caller sleeps."""

    at: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        system = Clock.system()
        return Clock(monotonic=lambda: self.at, now=system.now, sleep=self.sleep)
