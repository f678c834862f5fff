"""What a check does with the service: it sends requests as the operator does, and waits for their end.

Belongs here: one check's conversation. Does not belong here: what is right and what is wrong (`checks`).
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.conformance.messages import Answer, Exchange, Failed, NoAnswer, Request, delete_body, put_body

__all__ = ["DONE", "GONE", "Play", "Settings"]

DONE: Final = frozenset({200, 201})
"""A PUT was carried out."""
GONE: Final = frozenset({200, 201, 204, 404, 410})
"""After a DELETE there is nothing."""
_MISSING: Final = frozenset({404, 410})
_LONGEST_WAIT: Final = 30.0


@dataclass(frozen=True)
class Settings:
    """How the service is reached, and how patient the checks are. Times are in seconds."""

    url: str
    keys: WebhookSecrets
    next_keys: WebhookSecrets | None = None
    """A key that the service does not know yet."""
    prefix: str = "conformance"
    """What tenants' names begin with."""
    run: str = "run"
    """Part of each idempotency key, so that a second run is not a repeat of the first."""
    timeout: float = 30.0
    """For one answer."""
    operation_timeout: float = 60.0
    """For an operation, or for a service that is busy."""
    pause: float = 1.0
    """Between two questions, where the service does not say; and as long as a slow client waits."""
    huge: int = 8 * 1024 * 1024
    """Bytes of a body that is too long."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class Play:
    """One check's conversation with the service. What it may have made is in `made`, to be deleted in the end."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings, name: str) -> None:
        self.settings = settings
        self.tenants: list[str] = []
        self.made: dict[str, None] = {}
        """Tenants that were asked for and not deleted, in order."""
        self.exchanges: list[Exchange] = []
        self._http = http
        self._name = name
        self._keys = 0

    def tenant(self, name: str = "") -> str:
        """Return the name of a new tenant of this check."""
        made = name or f"{self.settings.prefix}-{self._name}{f'-{len(self.tenants)}' if self.tenants else ''}"
        self.tenants.append(made)
        return made

    def put(self, tenant: str, *, more: Mapping[str, Any] | None = None, **what: Any) -> Request:
        """Return a PUT under a new key; `what` as `put_body` takes it, `more` goes into the body as it is."""
        body = put_body(tenant, **what) | dict(more or {})
        return Request("PUT", tenant, self.key(), json.dumps(body).encode())

    def delete(self, tenant: str, *, generation: int = 1000) -> Request:
        """Return a DELETE under a new key."""
        return Request("DELETE", tenant, self.key(), json.dumps(delete_body(tenant, generation)).encode())

    def poll(self, tenant: str, key: str, operation: str | None) -> Request:
        """Return the question how far it is."""
        query = "" if operation is None else f"?operation={quote(operation, safe='')}"
        return Request("GET", tenant, key, suffix=f"/last_operation{query}")

    def key(self) -> str:
        """Return a new idempotency key."""
        self._keys += 1
        return f"conformance-{self.settings.run}-{self._name}-{self._keys}"

    def headers(self, request: Request, *, age: float = 0, keys: WebhookSecrets | None = None) -> dict[str, str]:
        """Sign a request, as of `age` seconds ago."""
        at = datetime.fromtimestamp(time.time() - age, UTC)
        signed = (keys or self.settings.keys).headers(request.key, at, request.body)
        kind = {"content-type": "application/json"} if request.body else {}
        agent = {"user-agent": "talkdesk-conformance", "accept": "application/json"}
        return {"idempotency-key": request.key, **signed, **kind, **agent}

    async def send(self, request: Request, headers: Mapping[str, str] | None = None, *, slow: bool = False) -> Answer:
        """Send a request once. Raises NoAnswer."""
        exchange = self._exchange(request, headers)
        sent = dict(exchange.headers) | ({"content-length": str(len(request.body))} if slow else {})
        content = _halves(request.body, self.settings.pause) if slow else request.body or None
        try:
            response = await self._http.request(
                request.method, self._url(request), headers=sent, content=content, timeout=self.settings.timeout
            )
        except httpx.TimeoutException:
            exchange.problem = f"no answer within {self.settings.timeout:g} s"
            raise NoAnswer(exchange.problem, exchange, cut=False) from None
        except httpx.RequestError as problem:
            exchange.problem = f"no answer: {type(problem).__name__}"
            raise NoAnswer(exchange.problem, exchange, cut=not isinstance(problem, httpx.ConnectError)) from None
        exchange.answer = _answer(response)
        return exchange.answer

    async def cut(self, request: Request, share: float) -> None:
        """Send a part of the body, or all of it with 1.0, and hang up without reading an answer."""
        exchange = self._exchange(request)
        exchange.problem = f"the connection was cut by us after {share:.0%} of the body"
        parts = urlsplit(self._url(request))
        secure = (self.settings.tls or ssl.create_default_context()) if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)
        lines = [f"{request.method} {parts.path} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {text}" for name, text in exchange.headers.items()]
        lines += [f"content-length: {len(request.body)}", "", ""]
        try:
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure)
            writer.write("\r\n".join(lines).encode() + request.body[: int(len(request.body) * share)])
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError as problem:
            raise NoAnswer(f"no connection: {type(problem).__name__}", exchange, cut=True) from None

    async def finish(self, request: Request) -> Answer:
        """Send a request until it is carried out or refused: again while the service is busy, polling after 202."""
        answer = await self._end(request, await self._begin(request))
        if request.method == "DELETE" and answer.status in GONE:
            self.made.pop(request.tenant, None)
        return answer

    async def _begin(self, request: Request) -> Answer:
        """Return the first answer that is not that the service is busy."""
        deadline = time.monotonic() + self.settings.operation_timeout
        answer = await self.send(request)
        while answer.busy:
            await self.wait(answer, deadline, "the service is still busy")
            answer = await self.send(request)
        return answer

    async def _end(self, request: Request, answer: Answer) -> Answer:
        if answer.status != 202:
            return answer
        said = (answer.content or {}).get("operation")
        operation = said if isinstance(said, str) else None
        return await self.follow(self.poll(request.tenant, request.key, operation), answer, request.method)

    async def follow(self, poll: Request, answer: Answer, method: str) -> Answer:
        """Return the answer that says that an operation has ended well. Raises Failed."""
        deadline = time.monotonic() + self.settings.operation_timeout
        while True:
            await self.wait(answer, deadline, "the operation has not ended")
            answer = await self.send(poll)
            if method == "DELETE" and answer.status in _MISSING:
                return answer
            state = (answer.content or {}).get("state") if answer.status == 200 else None
            if state == "succeeded":
                return answer
            if state == "failed":
                raise Failed("the operation failed", self.exchanges[-1])
            if state != "in progress":
                raise Failed(f"last_operation: answered {answer.status} with the state {state!r}", self.exchanges[-1])

    async def wait(self, answer: Answer, deadline: float, problem: str) -> None:
        """Wait as long as the service asks for. Raises Failed when the deadline would pass."""
        try:
            asked = answer.retry_after
        except ValueError:
            asked = None
        seconds = self.settings.pause if asked is None else min(asked, _LONGEST_WAIT)
        if time.monotonic() + seconds > deadline:
            raise Failed(f"{problem} after {self.settings.operation_timeout:g} s", self.exchanges[-1])
        await asyncio.sleep(seconds)

    async def done(self, request: Request, what: str = "the PUT") -> Answer:
        """Carry a PUT out. Raises Failed when it is not."""
        answer = await self.finish(request)
        if answer.status not in DONE:
            raise Failed(f"{what}: answered {answer.status}, expected 200 or 201", self.exchanges[-1])
        return answer

    async def gone(self, request: Request, what: str = "the DELETE") -> Answer:
        """Carry a DELETE out. Raises Failed when it is not."""
        answer = await self.finish(request)
        if answer.status not in GONE:
            raise Failed(f"{what}: answered {answer.status}, expected 200, 204, 404 or 410", self.exchanges[-1])
        return answer

    async def was_there(self, tenant: str) -> bool | None:
        """Delete a tenant; return whether there was one, or None where the service does not tell."""
        for asked, missing in ((self.tenant(), None), (tenant, True)):
            request = self.delete(asked)
            first = await self._begin(request)
            if (await self._end(request, first)).status in GONE:
                self.made.pop(asked, None)
            if first.status not in _MISSING:
                return missing
        return False

    def _url(self, request: Request) -> str:
        return f"{self.settings.url.rstrip('/')}/{request.tenant}{request.suffix}"

    def _exchange(self, request: Request, headers: Mapping[str, str] | None = None) -> Exchange:
        parts = urlsplit(self._url(request))
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        exchange = Exchange(request, path, self.headers(request) if headers is None else headers)
        self.exchanges.append(exchange)
        if request.method == "PUT":
            self.made[request.tenant] = None
        return exchange


async def _halves(body: bytes, pause: float) -> AsyncIterator[bytes]:
    middle = len(body) // 2
    yield body[:middle]
    await asyncio.sleep(pause)
    yield body[middle:]


def _answer(response: httpx.Response) -> Answer:
    try:
        content = json.loads(response.content) if response.content.strip() else {}
    except (ValueError, RecursionError):
        content = None
    headers = {name.lower(): text for name, text in response.headers.items()}
    return Answer(response.status_code, headers, content if isinstance(content, dict) else None)
