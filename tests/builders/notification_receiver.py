"""Whoever is told what happens: an endpoint over HTTP that keeps each arrival, and answers what a test wants."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from builders.listening import listening
from builders.serving import until
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.hook.verification import NotSigned, verify

__all__ = ["KEY", "NEXT_KEY", "Arrival", "Receiver", "endpoint", "key_secret", "receiver"]

KEY = "whsec_Y2FuYXJ5LW9mLW5vdGlmaWNhdGlvbnM="
NEXT_KEY = "whsec_Y2FuYXJ5LW9mLWxhdGVyLW5vdGlmaWNhdGlvbnM="
_WITHIN = 90.0


@dataclass(frozen=True)
class Arrival:
    """One request with the right signature."""

    endpoint: str
    """Last part of the path."""
    raw: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    event: BaseCloudEvent = field(repr=False)
    """As the official SDK reads it."""

    @property
    def id(self) -> str:
        return self.event.get_id()

    @property
    def kind(self) -> str:
        """The type without its prefix."""
        return self.event.get_type().rpartition(".")[2]

    @property
    def subject(self) -> str:
        return str(self.event.get_subject())

    @property
    def sequence(self) -> int:
        return int(self.event.get_attributes()["sequence"])

    @property
    def data(self) -> dict[str, Any]:
        data = self.event.get_data()
        assert isinstance(data, dict)
        return data

    @property
    def what(self) -> tuple[str, str, str | None]:
        """What is told: subject, type, and the event id of the request that it belongs to."""
        return self.subject, self.kind, self.data["request"]["eventId"]


Mood: TypeAlias = Callable[[Arrival], Awaitable[int]]
"""Returns the status of the answer."""


async def _good(_: Arrival) -> int:
    return 204


@dataclass
class Receiver:
    """Made by `receiver`."""

    url: str = ""
    keys: WebhookSecrets = field(default_factory=lambda: WebhookSecrets.read(KEY))
    """Who may sign; anything else is answered by 401."""
    mood: Mood = _good
    arrivals: list[Arrival] = field(default_factory=list)
    taken: list[Arrival] = field(default_factory=list)
    """What was answered by 2xx."""
    unsigned: int = 0
    """Requests without a signature that is known."""
    problems: list[str] = field(default_factory=list)
    """What an operator must not do."""
    _under_way: set[tuple[str, str]] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        raw, headers = await request.read(), {name.lower(): text for name, text in request.headers.items()}
        try:
            verify(self.keys.keys, headers, raw, time.time())
        except NotSigned:
            self.unsigned += 1
            return web.Response(status=401)
        arrival = Arrival(request.path.rpartition("/")[2], raw, headers, _parsed(headers, raw))
        self._check(arrival)
        self.arrivals.append(arrival)
        lane = arrival.endpoint, arrival.subject
        self._under_way.add(lane)
        try:
            status = await self.mood(arrival)
        finally:
            self._under_way.discard(lane)
        if 200 <= status < 300:
            self.taken.append(arrival)
        return web.Response(status=status)

    def _check(self, arrival: Arrival) -> None:
        if arrival.headers["content-type"] != JSONFormat.CONTENT_TYPE:
            self.problems.append(f"the media type is {arrival.headers['content-type']}")
        if arrival.headers["webhook-id"] != arrival.id:
            self.problems.append(f"{arrival.id} came with the message id {arrival.headers['webhook-id']}")
        if (arrival.endpoint, arrival.subject) in self._under_way:
            self.problems.append(f"{arrival.id} came while another one of {arrival.subject} was under way")

    def kinds(self, subject: str | None = None, name: str = "default") -> list[str]:
        """Return the types of what was taken, of one installation or of all, in order."""
        return [each.kind for each in self.taken if each.endpoint == name and subject in {None, each.subject}]

    async def until(self, *kinds: str, subject: str | None = None, name: str = "default") -> None:
        """Wait until exactly these were taken; fails with those that were instead."""
        try:
            await until(lambda: len(self.kinds(subject, name)) >= len(kinds), within=_WITHIN)
        finally:
            assert self.kinds(subject, name) == list(kinds)

    async def until_asked(self, number: int = 1) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.arrivals) >= number, within=_WITHIN)


def _parsed(headers: Mapping[str, str], raw: bytes) -> BaseCloudEvent:
    """Return the event. The SDK would make an id up, so it must be there."""
    assert {"id", "specversion", "time"} <= json.loads(raw).keys()
    return from_structured(HTTPMessage(dict(headers), raw), JSONFormat(), CloudEvent)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Serve until the end of the block."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    # A request that its sender gave up must not count as under way.
    async with listening(web.AppRunner(app, shutdown_timeout=1.0, handler_cancellation=True)) as url:
        made.url = url
        yield made
    assert made.problems == []


def endpoint(url: str, name: str = "default", **fields: Any) -> dict[str, Any]:
    """Return an endpoint as an app names it."""
    return {
        "name": name,
        "url": f"{url}/{name}",
        "secretRef": {"name": "notifications", "key": "key"},
        "allowInsecure": True,
        "timeout": "2s",
        **fields,
    }


def key_secret(url: str, key: str = KEY, name: str = "notifications") -> str:
    """Return the Secret with the signing key, for the host of this URL, as JSON."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "annotations": {ANNOTATION_FOR_HOSTS: host_of(url)}},
        "stringData": {"key": key},
    }
    return json.dumps(secret)
