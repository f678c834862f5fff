"""The simulated service as a server in a program's own event loop.

Belongs here: starting, stopping, and access to the users. Does not belong here: routes, the command line.
"""

import asyncio
from types import TracebackType
from typing import Any, Self

import orjson
from scim2_server.requests import ScimRequest

from talkdesk_sandbox.embedded import EmbeddedServer, bind, configure
from talkdesk_sandbox.scim.application import PREFIX, ScimApplication
from talkdesk_sandbox.scim.settings import ScimSettings
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.faults.book import FaultBook
from talkdesk_sandbox.simulator.http.journal import Journal
from talkdesk_sandbox.simulator.http.middleware import FaultMiddleware

__all__ = ["ScimServer"]


class ScimServer:
    """A SCIM service that listens, as an async context manager in the running event loop.

    `faults` are the simulator's, set by path (`PATCH /scim/v2/Users/*`); `journal` has a record of each request.
    """

    def __init__(self, settings: ScimSettings | None = None) -> None:
        self.settings = settings or ScimSettings()
        self.faults = FaultBook()
        self.journal = Journal()
        self.url = ""
        """Base URL."""
        self._scim = ScimApplication(self.settings)

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._socket = bind(self.settings.host, self.settings.port)
        host = "127.0.0.1" if self.settings.host in {"0.0.0.0", "::"} else self.settings.host
        self.url = f"http://{host}:{self._socket.getsockname()[1]}{PREFIX}"
        app = FaultMiddleware(self._scim.app, clock=Clock(), faults=self.faults, journal=self.journal)
        self._server = EmbeddedServer(configure(app))
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.listening(self._serving)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._server.stop()
        await self._serving
        self._socket.close()

    def users(self) -> list[dict[str, Any]]:
        """Return all users as SCIM resources."""
        return [resource.model_dump() for resource in self._scim.storage.resources]

    def user(self, external_id: str) -> dict[str, Any]:
        """Return the user with that external id. Raises LookupError when there is not exactly one."""
        found = [user for user in self.users() if user.get("externalId") == external_id]
        if len(found) != 1:
            raise LookupError(f"{len(found)} users have the external id {external_id}")
        return found[0]

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """Send a request past the network, as the partner's own staff would. Raises LookupError when it is refused."""
        headers = {"Content-Type": "application/scim+json"}
        body = b"" if content is None else orjson.dumps(content)
        answer = self._scim.handle(ScimRequest(method, self.url, path, headers=headers, body=body))
        if answer.status >= 400:
            raise LookupError(f"{method} {path}: {answer.body}")
        return answer.body

    def count(self, method: str, path: str = "") -> int:
        """Return how many requests had a method and a path that begins like this, below the base URL."""
        return sum(
            record.method == method and record.path.removeprefix(PREFIX).startswith(path)
            for record in self.journal.records()
        )
