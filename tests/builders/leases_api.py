"""An API server that knows Leases and nothing else, in memory; who uses it decides when a request has which part of its
way behind it."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeError, KubeNotFound, KubeUnreachable

__all__ = ["Connection", "LeasesApi"]

Raw = dict[str, Any]


async def _at_once(_sender: str, _part: str) -> None:
    await asyncio.sleep(0)


@dataclass
class LeasesApi:
    """The Leases of one namespace."""

    leases: dict[str, Raw] = field(default_factory=dict)
    version: int = 0
    moves: Callable[[str, str], Awaitable[None]] = _at_once
    """Called with a sender and `there` or `back`: when it returns, a request arrives, or its answer does."""
    away: set[str] = field(default_factory=set)
    """Whose requests get lost."""
    written: list[tuple[str, str, str]] = field(default_factory=list)
    """Each write: by whom, which Lease, its holder afterwards."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Each request: by whom, and its method."""

    def holder(self, name: str) -> str:
        return str(self.leases.get(name, {}).get("spec", {}).get("holderIdentity") or "")

    def annotations(self, name: str) -> dict[str, str]:
        return dict(self.leases[name]["metadata"].get("annotations") or {})

    def handle(self, sender: str, method: str, path: str, body: Any) -> Raw:
        *_, plural, name = path.split("/") if not path.endswith("/leases") else [*path.split("/"), ""]
        assert plural == "leases"
        self.asked.append((sender, method))
        if method == "GET":
            if not name:
                return {"items": copy.deepcopy(list(self.leases.values()))}
            if name not in self.leases:
                raise KubeNotFound("no such lease")
            return copy.deepcopy(self.leases[name])
        return self._write(sender, method, name or str(body["metadata"]["name"]), body)

    def _write(self, sender: str, method: str, name: str, body: Raw) -> Raw:
        if method == "POST" and name in self.leases:
            raise KubeAlreadyExists("exists")
        if method == "PUT":
            if name not in self.leases:
                raise KubeNotFound("no such lease")
            if body["metadata"]["resourceVersion"] != self.leases[name]["metadata"]["resourceVersion"]:
                raise KubeConflict("changed")
        self.version += 1
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.leases[name] = stored
        self.written.append((sender, name, self.holder(name)))
        return copy.deepcopy(stored)


@dataclass(frozen=True)
class Connection:
    """One process's connection to it."""

    api: LeasesApi
    sender: str

    async def request(self, method: str, path: str, *, body: Any = None) -> Raw:
        await self.api.moves(self.sender, "there")
        if self.sender in self.api.away:
            raise KubeUnreachable("connection refused")
        answer: Raw | KubeError
        try:
            answer = self.api.handle(self.sender, method, path, body)
        except KubeError as error:
            answer = error
        await self.api.moves(self.sender, "back")
        if isinstance(answer, KubeError):
            raise answer
        return answer
