"""The simulator as a server in a program's own event loop.

Belongs here: sockets, uvicorn, TLS, starting and stopping. Does not belong here: routes, the command line.
"""

import asyncio
from types import TracebackType
from typing import Self

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from talkdesk_sandbox.embedded import EmbeddedServer, bind, configure
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.control.client import Client
from talkdesk_sandbox.simulator.crypto.tls import client_context
from talkdesk_sandbox.simulator.server.application import create_app
from talkdesk_sandbox.simulator.settings import Settings
from talkdesk_sandbox.simulator.simulator import Simulator


class SimulatorServer:
    """A simulator that listens, as an async context manager in the running event loop.

    `async with SimulatorServer(Settings(callback_url=...)) as server: await server.client.install(account="acme")`

    `simulator` gives direct access for programs in the same event loop; `client` speaks the control API.
    """

    def __init__(self, settings: Settings | None = None, *, clock: Clock | None = None) -> None:
        self.settings = settings or Settings()
        self.simulator: Simulator
        self.client: Client
        self.url = ""
        self._clock = clock

    async def __aenter__(self) -> Self:
        """Start to listen, and to do what time makes due."""
        self._socket = bind(self.settings.host, self.settings.port)
        port = self._socket.getsockname()[1]
        scheme = "https" if self.settings.tls_cert else "http"
        host = "127.0.0.1" if self.settings.host in {"0.0.0.0", "::"} else self.settings.host
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        self._http = _callback_client(self.settings)
        public_url = (self.settings.public_url or self.url).rstrip("/")
        self.simulator = Simulator(self.settings, public_url=public_url, client=self._http, clock=self._clock)
        self.client = Client(self.url, ca=self.settings.tls_cert)
        self._server = EmbeddedServer(
            configure(create_app(self.simulator), certificate=self.settings.tls_cert, key=self.settings.tls_key)
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        self._time = asyncio.create_task(self.simulator.run())
        await self._server.listening(self._serving)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; attempts to deliver that are running are canceled."""
        self._time.cancel()
        await asyncio.gather(self._time, return_exceptions=True)
        await self.simulator.dispatcher.stop()
        await self.client.close()
        self._server.stop()
        await self._serving
        self._socket.close()
        await self._http.aclose()

    async def stopped(self) -> None:
        """Wait until it has stopped serving, which happens by itself only after a failure."""
        await asyncio.wait({self._serving, self._time}, return_when=asyncio.FIRST_COMPLETED)


def _callback_client(settings: Settings) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=settings.delivery_concurrency)
    return HttpxAiohttpClient(
        verify=client_context(settings.callback_ca),
        limits=limits,
        timeout=None,
        headers={"User-Agent": "talkdesk-simulator"},
    )
