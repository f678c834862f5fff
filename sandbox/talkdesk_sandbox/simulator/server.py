"""The simulator as a server: in a program's own event loop, or as a process of its own.

Belongs here: sockets, uvicorn, TLS, starting and stopping. Does not belong here: routes, the command line.
"""

import asyncio
import contextlib
import socket
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from httpx_aiohttp import HttpxAiohttpClient
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkdesk_sandbox.simulator.app import create_app
from talkdesk_sandbox.simulator.client import Client
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.settings import Settings
from talkdesk_sandbox.simulator.simulator import Simulator
from talkdesk_sandbox.simulator.trust import trust

_START_SECONDS = 10.0


class _CuttableProtocol(HttpToolsProtocol):
    """Shows the connection to the application, which cuts it for some faults."""

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _EmbeddedServer(uvicorn.Server):
    """Leaves signals to the program around it, and stops at once when it is told to: requests that run are cut."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    @override
    async def main_loop(self) -> None:
        await self._stop.wait()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        running = list(self.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def stop(self) -> None:
        """Stop to listen."""
        self._stop.set()

    @override
    def capture_signals(self) -> Any:
        return contextlib.nullcontext()


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
        """Listen, and let time pass."""
        self._socket = _bind(self.settings)
        port = self._socket.getsockname()[1]
        scheme = "https" if self.settings.tls_cert else "http"
        host = "127.0.0.1" if self.settings.host in {"0.0.0.0", "::"} else self.settings.host
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        self._http = _callback_client(self.settings)
        public_url = (self.settings.public_url or self.url).rstrip("/")
        self.simulator = Simulator(self.settings, public_url=public_url, client=self._http, clock=self._clock)
        self.client = Client(self.url, ca=self.settings.tls_cert)
        self._server = _EmbeddedServer(_config(self.settings, self.simulator))
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        self._time = asyncio.create_task(self.simulator.run())
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; what is on its way to callbacks is given up."""
        self._time.cancel()
        await asyncio.gather(self._time, return_exceptions=True)
        await self.simulator.courier.stop()
        await self.client.close()
        self._server.stop()
        await self._serving
        self._socket.close()
        await self._http.aclose()

    async def stopped(self) -> None:
        """Wait until it serves no more, which happens by itself only if something breaks."""
        await asyncio.wait({self._serving, self._time}, return_when=asyncio.FIRST_COMPLETED)

    async def _started(self) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while not self._server.started:
                if self._serving.done():
                    await self._serving
                    raise RuntimeError("the simulator stopped before it listened")
                await asyncio.sleep(0.005)


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only on sockets that say TCP; with it each answer waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError:
        bound.close()
        raise
    return bound


def _config(settings: Settings, simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(simulator),
        http=_CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        # Longer than clients keep idle connections, so that none is closed under a request.
        timeout_keep_alive=75,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _callback_client(settings: Settings) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=settings.delivery_concurrency)
    return HttpxAiohttpClient(
        verify=trust(settings.callback_ca), limits=limits, timeout=None, headers={"User-Agent": "talkdesk-simulator"}
    )
