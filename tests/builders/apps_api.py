"""The part of a Kubernetes API that has TalkdeskApps: listed, watched while a test changes them, read one by one."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from builders.events import APP_ID
from builders.kube_streams import event, page
from builders.ports import clock_of
from builders.serving import until
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound, KubeUnreachable
from talkdesk_webhook.app_list import AppList
from talkdesk_webhook.apps import Apps

__all__ = ["AppsApi", "app", "following"]

_VERSIONS = itertools.count(1)


def app(name: str = "sentiment", namespace: str = "team", *, keys: Sequence[str] = (), **spec: Any) -> dict[str, Any]:
    """A TalkdeskApp as the API server gives it; `keys` signed its events lately."""
    tenant = {"serviceAccountName": "maker", "steps": [{"name": "one", "manifests": [{"kind": "ConfigMap"}]}]}
    version = str(next(_VERSIONS))
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": version},
        "spec": {"appId": APP_ID, "region": "US", "tenant": tenant} | spec,
        "status": {"events": {"signingKeys": [*keys]}},
    }


@dataclass
class AppsApi:
    """Has apps; a test changes them, and breaks the watch or the server."""

    apps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """`LIST`, `WATCH`, `VERSION` of the list, or `GET` and the app's name."""
    down: KubeError | None = None
    _streams: list[asyncio.Queue[dict[str, Any] | KubeError | None]] = field(default_factory=list)

    def apply(self, raw: Mapping[str, Any]) -> None:
        """Make or change an app."""
        self.apps[raw["metadata"]["namespace"], raw["metadata"]["name"]] = dict(raw)
        self._send(event("MODIFIED", dict(raw)))

    def delete(self, name: str, namespace: str = "team") -> None:
        self._send(event("DELETED", self.apps.pop((namespace, name))))

    def bookmark(self) -> None:
        self._send(event("BOOKMARK", {"metadata": {"resourceVersion": str(next(_VERSIONS))}}))

    def cut(self, error: KubeError | None) -> None:
        """End the watch: well, or with an error."""
        self._send(error)

    @property
    def gets(self) -> list[str]:
        """The requests for one app."""
        return [each for each in self.requests if each.startswith("GET")]

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, **_: Any
    ) -> dict[str, Any]:
        assert method == "GET"
        namespace, name = _parts(path)
        listing = "VERSION" if query == {"limit": "1"} else "LIST"
        self.requests.append(f"GET {name}" if name else listing)
        if self.down is not None:
            raise self.down
        if not name:
            return page(next(_VERSIONS), *(raw for key, raw in self.apps.items() if namespace in {"", key[0]}))
        if (namespace, name) not in self.apps:
            raise KubeNotFound(f"{name} not found")
        return self.apps[namespace, name]

    async def watch(self, path: str, **_: Any) -> AsyncGenerator[dict[str, Any], None]:
        self.requests.append("WATCH")
        if self.down is not None:
            raise self.down
        stream: asyncio.Queue[dict[str, Any] | KubeError | None] = asyncio.Queue()
        self._streams.append(stream)
        namespace = _parts(path)[0]
        try:
            while (each := await stream.get()) is not None:
                if isinstance(each, KubeError):
                    raise each
                if namespace in {"", each["object"]["metadata"].get("namespace", namespace)}:
                    yield each
        finally:
            self._streams.remove(stream)

    def _send(self, each: dict[str, Any] | KubeError | None) -> None:
        for stream in self._streams:
            stream.put_nowait(each)

    @property
    def watched(self) -> int:
        return len(self._streams)


def _parts(path: str) -> tuple[str, str]:
    """Return namespace and name that a path names, each empty where it names none."""
    _, found, rest = path.partition("/namespaces/")
    namespace, _, after = rest.partition("/talkdeskapps")
    return (namespace if found else "", after.strip("/") if found else "")


@asynccontextmanager
async def following(
    api: AppsApi, *namespaces: str, seconds: list[float] | None = None
) -> AsyncIterator[tuple[AppList, Apps]]:
    """Run a list of apps, from when it was listed or could not be; `seconds` is its clock. Pauses take no time."""

    async def sleep(_: float) -> None:
        await asyncio.sleep(0.001)

    monotonic = clock_of(lambda: seconds[0]) if seconds is not None else Clock.system()
    clock = Clock(monotonic=monotonic.monotonic, now=monotonic.now, sleep=sleep)
    listed = AppList(api, namespaces, clock=clock)
    running = asyncio.create_task(listed.run())
    try:
        await until(lambda: listed.was_tried)
        yield listed, Apps(api, listed, timedelta(seconds=10), clock=clock)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


AWAY = KubeUnreachable("away", broken=True)
