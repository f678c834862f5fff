"""A partner's app with real cryptography over real sockets, and a callback with configurable answers.

For tests of the simulator: it follows Talkdesk's pages and uses neither webhook nor operator.
"""

import asyncio
import base64
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Partner:
    """A partner's app that has one event with credentials, and the requests that it can send with them."""

    http: httpx.AsyncClient
    event: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data

    @property
    def root(self) -> str:
        root: str = self.event["_links"]["root"]["href"]
        return root

    @property
    def installation(self) -> str:
        return f"{self.root}/apps/{self.event['app_id']}/installations/{self.data['installation_id']}"

    @property
    def token_url(self) -> str:
        return f"{self.root}/accounts/{self.data['account_name']}/oauth/token"

    def key(self) -> ECKey | RSAKey:
        text = self.data["private_key"]
        if not text.startswith("-----"):
            text = f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
        kind = ECKey if self.data["key_algorithm"].startswith("ES") else RSAKey
        return kind.import_key(text)

    def assertion(self, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        head = {"alg": self.data["key_algorithm"], "kid": self.data["key_id"]} | (header or {})
        body = {
            "iss": self.data["client_id"],
            "sub": self.data["client_id"],
            "aud": self.token_url,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 300,
        } | claims
        present = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(head, present, key or self.key(), algorithms=[head["alg"]])

    async def ask_token(self, assertion: str | None = None, **form: str) -> httpx.Response:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
        }
        return await self.http.post(self.token_url, data=fields | form)

    async def ask_token_by_secret(self, secret: str | None = None, **form: str) -> httpx.Response:
        pair = f"{self.data['client_id']}:{secret or self.data['client_secret']}"
        headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return await self.http.post(self.token_url, data={"grant_type": "client_credentials"} | form, headers=headers)

    async def log_in(self, **form: str) -> "Partner":
        response = await self.ask_token(**form)
        assert response.status_code == 200, response.text
        self.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
        return self

    async def get(self, url: str, **kwargs: Any) -> httpx.Response:
        return await self.http.get(url if url.startswith("http") else self.root + url, headers=self.headers, **kwargs)

    async def post(self, url: str, body: Any = None) -> httpx.Response:
        return await self.http.post(url, json=body, headers=self.headers)

    async def answer(self, verb: str, **more: Any) -> httpx.Response:
        return await self.post(f"{self.installation}/state", {"state": verb, **more})

    async def state(self) -> str:
        state: str = (await self.get(self.installation)).json()["_embedded"]["state"]["state"]
        return state


@dataclass
class Callback:
    """A partner's callback on a real socket: it keeps what it receives and answers as configured."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when none is left."""
    headers: dict[str, str] = field(default_factory=dict)
    hang: asyncio.Event | None = None
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        self.received.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        async with self._arrival:
            self._arrival.notify_all()
        if self.hang:
            await self.hang.wait()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200, headers=self.headers)

    async def arrived(self, count: int, within: float = 60) -> None:
        """Wait until it has received so many requests, for at most `within` seconds."""
        async with asyncio.timeout(within), self._arrival:
            await self._arrival.wait_for(lambda: len(self.received) >= count)

    def types(self) -> list[str]:
        return [orjson.loads(body)["type"] for _, body in self.received]
