"""A partner's service that an `http` step calls: it keeps what it has of tenants, and answers what a test wants."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aiohttp import web

from builders.listening import listening
from talkdesk_runtime.standard_webhooks import WebhookSecrets

__all__ = ["KEY", "Asked", "PartnerService", "partner_service"]

KEY = "canary-hook-key"


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    key: str
    """Idempotency key."""
    body: Any
    headers: dict[str, str] = field(repr=False)


Mood: TypeAlias = Callable[[Asked], Awaitable[web.Response | None]]
"""Answers a request, or returns None where the service is to do as asked."""


async def _good(_: Asked) -> web.Response | None:
    return None


@dataclass
class PartnerService:
    """Made by `partner_service`."""

    url: str = ""
    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What it has of each, by the name in the URL."""
    asked: list[Asked] = field(default_factory=list)
    by_key: dict[str, tuple[str, str, Any]] = field(default_factory=dict)
    """Method, path and body that came with each idempotency key."""
    mood: Mood = _good
    problems: list[str] = field(default_factory=list)
    """What an operator must not do."""

    async def handle(self, request: web.Request) -> web.Response:
        raw, headers = await request.read(), {name.lower(): text for name, text in request.headers.items()}
        self._check(headers, raw)
        body = json.loads(raw) if raw else None
        asked = Asked(request.method, request.path_qs, headers.get("idempotency-key", ""), body, headers)
        self.asked.append(asked)
        if asked.method != "GET":
            known = self.by_key.setdefault(asked.key, (asked.method, asked.path, body))
            if known != (asked.method, asked.path, body):
                self.problems.append(f"{asked.key} came with {known} and with {asked}")
        answer = await self.mood(asked)
        return answer if answer is not None else self.do(asked)

    def do(self, asked: Asked) -> web.Response:
        """Do as asked."""
        name = asked.path.rpartition("/")[2]
        if asked.method == "PUT":
            status = 200 if name in self.tenants else 201
            self.tenants[name] = asked.body
            outputs = {
                "outputs": {"endpoint": f"https://{name}.example.com"},
                "secrets": {"password": f"canary-{name}"},
            }
            return web.json_response(outputs, status=status)
        if asked.method == "DELETE":
            return web.json_response({}, status=200 if self.tenants.pop(name, None) is not None else 410)
        return web.json_response({"state": "succeeded"})

    def _check(self, headers: dict[str, str], raw: bytes) -> None:
        """Verify the signature as a receiver would."""
        at = datetime.fromtimestamp(int(headers.get("webhook-timestamp", "0")), UTC)
        expected = WebhookSecrets.read(KEY).headers(headers.get("webhook-id", ""), at, raw)["webhook-signature"]
        if expected not in headers.get("webhook-signature", "").split():
            self.problems.append("a signature is wrong")
        if abs((datetime.now(UTC) - at).total_seconds()) > 300:
            self.problems.append("a timestamp is old")

    def methods(self) -> list[str]:
        """Return the methods of all requests, in their order."""
        return [each.method for each in self.asked]

    async def until_asked(self, number: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(60):
            while len(self.asked) < number:  # noqa: ASYNC110 - a test
                await asyncio.sleep(0.05)


def decoded(secret: dict[str, Any]) -> dict[str, str]:
    """Return the texts in a Secret."""
    return {name: b64decode(text).decode() for name, text in (secret.get("data") or {}).items()}


@asynccontextmanager
async def partner_service(*, strict: bool = True) -> AsyncIterator[PartnerService]:
    """Serve until the end of the block; where it is `strict`, there must be no problems by then."""
    made = PartnerService()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    async with listening(web.AppRunner(app)) as url:
        made.url = url
        yield made
    assert not strict or made.problems == []
