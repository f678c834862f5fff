"""What the API server shows of our kinds in one namespace: the newest versions, all versions ever seen, and waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeExpired, KubeTransient

WITHIN = 90.0
"""Seconds; what is waited for takes a fraction of one on an idle machine."""
KINDS = (TalkdeskApp, TalkdeskInstallation, TalkdeskTenant)
_PAUSE = 0.1
Object = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One version of an object."""

    kind: str
    name: str
    change: str
    """ADDED, MODIFIED or DELETED."""
    at: datetime
    object: Object


@dataclass
class Watched:
    """Made by `watching`."""

    namespace: str
    seen: list[Seen] = field(default_factory=list)
    _now: dict[tuple[str, str], Object] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def get(self, kind: str, name: str) -> Object | None:
        """Return the newest version; None when there is no such object."""
        return self._now.get((kind, name))

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        return [held for (of, _), held in self._now.items() if of == kind]

    def versions(self, kind: str, name: str) -> list[Seen]:
        """Return every version that was seen, oldest first."""
        return [each for each in self.seen if (each.kind, each.name) == (kind, name)]

    async def until(
        self, kind: str, name: str, condition: Callable[[Object | None], object], what: str, within: float = WITHIN
    ) -> Object | None:
        """Wait until the object is so, and give it; fails with what it was instead."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(lambda: condition(self.get(kind, name)))
        except TimeoutError:
            held = self.get(kind, name)
            raise AssertionError(f"{kind} {name} did not {what} within {within:.0f} s:\n{_short(held)}") from None
        return self.get(kind, name)

    async def catch_up(self, kube: Kube) -> None:
        """Wait until everything was shown that is stored by now."""
        for kind in KINDS:
            listing = await kube.request("GET", resource_path(GROUP, VERSION, kind.INFO.plural, self.namespace))
            for stored in listing["items"]:
                name, version = stored["metadata"]["name"], _version(stored)
                shown = partial(self._has_shown, kind.INFO.kind, name, version)
                await self.until(kind.INFO.kind, name, shown, "be shown by the watch")

    def _has_shown(self, kind: str, name: str, version: int, _: Object | None) -> bool:
        return any(_version(seen.object) >= version for seen in self.versions(kind, name))

    async def take(self, event: Object) -> None:
        obj = event["object"]
        key = obj["kind"], obj["metadata"]["name"]
        async with self._changed:
            if event["type"] == "DELETED":
                self._now.pop(key, None)
            else:
                self._now[key] = obj
            self.seen.append(Seen(*key, event["type"], datetime.now(UTC), obj))
            self._changed.notify_all()


def _version(held: Object) -> int:
    return int(held["metadata"]["resourceVersion"])


def _short(held: Object | None) -> str:
    if held is None:
        return "there is none"
    status = held.get("status", {})
    conditions = [
        f"{c['type']}={c['status']} {c['reason']}: {c.get('message', '')}" for c in status.get("conditions", [])
    ]
    spec = {key: value for key, value in held["spec"].items() if key != "objects"}
    rest = {key: value for key, value in status.items() if key not in {"conditions", "inventory", "steps"}}
    return "\n".join([f"spec: {spec}", f"status: {rest}", *conditions])


@asynccontextmanager
async def watching(kube: Kube, namespace: str) -> AsyncIterator[Watched]:
    """Watch a namespace until the end of the block."""
    watched = Watched(namespace)
    tasks = [asyncio.create_task(_follow(kube, watched, kind.INFO.plural)) for kind in KINDS]
    try:
        yield watched
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


async def _follow(kube: Kube, watched: Watched, plural: str) -> None:
    path = resource_path(GROUP, VERSION, plural, watched.namespace)
    version = ""
    while True:
        try:
            # Without a version the server begins with what is there.
            async with aclosing(kube.watch(path, query={"resourceVersion": version} if version else {})) as events:
                async for event in events:
                    version = event["object"]["metadata"]["resourceVersion"]
                    await watched.take(event)
        except KubeTransient:
            await asyncio.sleep(_PAUSE)  # kinds that are new are not served at once
        except KubeExpired:
            version = ""  # nothing had changed for so long that the server has forgotten the version
