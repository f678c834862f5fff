"""A Kubernetes API on a real socket as far as the operator's process needs one: our kinds in one namespace, one Lease.

It keeps objects, shows their changes to whoever watches, takes status patches, and refuses what a test says.
"""

import asyncio
import copy
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from builders.kube_api import failure, kube_api, kubeconfig
from builders.odd_values import PLACE
from talkdesk_crds import KINDS
from talkdesk_crds.names import ANNOTATION_VERSIONS, GROUP, VERSION

PLURALS = {kind.INFO.plural: kind.INFO.kind for kind in KINDS}
KINDS_OF_CORE = {"configmaps": "ConfigMap", "namespaces": "Namespace", "events": "Event"}
"""kopf waits for the last two before it watches anything."""
Raw = dict[str, Any]


def _resource(plural: str, kind: str) -> Raw:
    verbs = ["get", "list", "watch", "create", "patch", "update", "delete"]
    return {
        "name": plural,
        "singularName": kind.lower(),
        "kind": kind,
        "namespaced": True,
        "verbs": verbs,
        "shortNames": [],
        "categories": [],
    }


@dataclass
class OurKindsApi:
    """Made by `our_kinds_api`."""

    kubeconfig: Path
    url: str = ""
    objects: dict[tuple[str, str], Raw] = field(default_factory=dict)
    """By plural and name."""
    lease: Raw | None = None
    refused: dict[str, int] = field(default_factory=dict)
    """The status to answer with, by the end of a path."""
    requests: list[str] = field(default_factory=list)
    """Method and path of each request but for discovery, with ` watch` for watches."""
    streams: dict[str, list[asyncio.Queue[Raw]]] = field(default_factory=dict)
    """Open watches, by plural."""
    version: "itertools.count[int]" = field(default_factory=lambda: itertools.count(100))
    seen_version: int = 99
    odd: str = json.dumps(PLACE)
    """JSON that is sent for PLACE, which Python can't hold."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    flowing: dict[str, asyncio.Event] = field(default_factory=dict)
    """By plural, what watches wait for before they bring anything."""

    def put(self, raw: Raw) -> Raw:
        """Store an object and show it to who watches."""
        plural = next(plural for plural, kind in {**PLURALS, **KINDS_OF_CORE}.items() if kind == raw["kind"])
        stored = copy.deepcopy(raw)
        self.seen_version = next(self.version)
        stored["metadata"]["resourceVersion"] = str(self.seen_version)
        change = "MODIFIED" if (plural, raw["metadata"]["name"]) in self.objects else "ADDED"
        self.objects[plural, raw["metadata"]["name"]] = stored
        self.show(plural, change, stored)
        return stored

    def delete(self, plural: str, name: str) -> None:
        stored = self.objects.pop((plural, name))
        self.seen_version = next(self.version)
        stored["metadata"]["resourceVersion"] = str(self.seen_version)
        self.show(plural, "DELETED", stored)

    def show(self, plural: str, change: str, raw: Raw) -> None:
        for stream in self.streams.get(plural, []):
            stream.put_nowait({"type": change, "object": raw})

    @property
    def holder(self) -> str:
        """Who has the Lease."""
        return "" if self.lease is None else str(self.lease["spec"]["holderIdentity"])

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self._discovery(request.path)
        if answer is not None:
            return web.json_response(answer)
        is_watch = request.query.get("watch") == "true"
        short = " 3 s" if request.query.get("timeoutSeconds") == "3" else ""
        self.requests.append(f"{request.method} {request.path}{' watch' if is_watch else ''}{short}")
        self.changed.set()
        for end, status in self.refused.items():
            if request.path.endswith(end):
                return await failure(status, "Refused", "refused on purpose")(request)
        if "/leases" in request.path and not is_watch:
            return await self._lease(request)
        *_, plural = [part for part in request.path.split("/") if part in {*PLURALS, *KINDS_OF_CORE, "leases"}]
        if is_watch:
            return await self._stream(request, plural)
        if request.method == "GET":
            items = [raw for (of, _), raw in self.objects.items() if of == plural]
            listing = {"metadata": {"resourceVersion": str(self.seen_version)}, "items": items}
            return web.Response(text=self._text(listing), content_type="application/json")
        return web.json_response(self._patch(plural, request.path, await request.json()))

    def _patch(self, plural: str, path: str, operations: list[Raw]) -> Raw:
        """Do a JSON Patch of the status; of its operations, those that add a status or one of its fields."""
        name = path.removesuffix("/status").rpartition("/")[2]
        stored = copy.deepcopy(self.objects[plural, name])
        for operation in operations:
            match operation["op"], operation["path"].split("/"):
                case ("test", _) | ("add", [_, "metadata", "resourceVersion"]):
                    pass
                case (("add" | "replace"), [_, "status"]):
                    stored["status"] = operation["value"]
                case (("add" | "replace"), [_, "status", field_name]):
                    stored.setdefault("status", {})[field_name] = operation["value"]
                case other:
                    raise NotImplementedError(other)
        return self.put(stored)

    def _discovery(self, path: str) -> Raw | None:
        groups = {"appconnect": (GROUP, VERSION, PLURALS), "leases": ("coordination.k8s.io", "v1", {"leases": "Lease"})}
        for group, version, plurals in groups.values():
            if path == f"/apis/{group}/{version}":
                return {"groupVersion": path[6:], "resources": [_resource(*each) for each in plurals.items()]}
        if path == "/api/v1":
            return {"groupVersion": "v1", "resources": [_resource(*each) for each in KINDS_OF_CORE.items()]}
        if path == "/apis":
            return {
                "groups": [
                    {
                        "name": group,
                        "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                        "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
                    }
                    for group, version, _ in groups.values()
                ]
            }
        return {"versions": ["v1"]} if path == "/api" else None

    async def _lease(self, request: web.BaseRequest) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if request.method == "GET" and name == "leases":
            items = [] if self.lease is None else [self.lease]
            return web.json_response({"metadata": {"resourceVersion": str(self.seen_version)}, "items": items})
        if request.method == "GET":
            if self.lease is None:
                missing = {"kind": "Status", "reason": "NotFound", "details": {"name": name, "kind": "leases"}}
                return web.json_response(missing, status=404)
            return web.json_response(self.lease)
        body = await request.json()
        if (
            self.lease is not None
            and body["metadata"].get("resourceVersion") != self.lease["metadata"]["resourceVersion"]
        ):
            return await failure(409, "Conflict")(request)
        self.seen_version = next(self.version)
        body["metadata"]["resourceVersion"] = str(self.seen_version)
        self.lease = body
        self.show("leases", "MODIFIED", body)
        return web.json_response(body)

    def release(self, versions: dict[str, str]) -> None:
        """Have the holder of the Lease give it back, with a note of what it had seen."""
        assert self.lease is not None
        self.lease["metadata"]["annotations"] = {ANNOTATION_VERSIONS: json.dumps(versions)}
        self.change_lease(holderIdentity="")

    def change_lease(self, **spec: Any) -> None:
        """Have somebody write to the Lease."""
        assert self.lease is not None
        self.seen_version = next(self.version)
        metadata = {**self.lease["metadata"], "resourceVersion": str(self.seen_version)}
        self.lease = {"metadata": metadata, "spec": {**self.lease["spec"], **spec}}
        self.show("leases", "MODIFIED", self.lease)

    @contextmanager
    def lagging(self, plural: str) -> Iterator[None]:
        """Let the watches of a kind bring nothing, not even a bookmark, until the end of the block."""
        self.flowing[plural] = asyncio.Event()
        try:
            yield
        finally:
            self.flowing.pop(plural).set()

    async def _stream(self, request: web.BaseRequest, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        with self._subscribed(plural) as events:
            for raw in self._since(plural, request.query.get("resourceVersion", "")):
                events.put_nowait({"type": "MODIFIED", "object": raw})
            seconds = int(request.query.get("timeoutSeconds", "600"))
            # Like the real one: a bookmark two seconds before the end.
            asyncio.get_running_loop().call_later(seconds - 2, self._bookmark, plural, events)
            while True:
                event = await events.get()
                if plural in self.flowing:
                    await self.flowing[plural].wait()
                await response.write(self._text(event).encode() + b"\n")

    def _since(self, plural: str, version: str) -> list[Raw]:
        """Return what changed since a version, but for what was deleted."""
        objects = [raw for (of, _), raw in self.objects.items() if of == plural] if version else []
        return [raw for raw in objects if int(raw["metadata"]["resourceVersion"]) > int(version)]

    def _bookmark(self, plural: str, events: "asyncio.Queue[Raw]") -> None:
        metadata = {"resourceVersion": str(self.seen_version)}
        events.put_nowait({"type": "BOOKMARK", "object": {"kind": PLURALS.get(plural, "Lease"), "metadata": metadata}})

    def _text(self, answer: Raw) -> str:
        return json.dumps(answer).replace(json.dumps(PLACE), self.odd)

    @contextmanager
    def _subscribed(self, plural: str) -> Iterator[asyncio.Queue[Raw]]:
        events: asyncio.Queue[Raw] = asyncio.Queue()
        self.streams.setdefault(plural, []).append(events)
        try:
            yield events
        finally:
            self.streams[plural].remove(events)

    @property
    def watched(self) -> set[str]:
        """The plurals that somebody watches now."""
        return {plural for plural, streams in self.streams.items() if streams}


@asynccontextmanager
async def our_kinds_api(folder: Path, *objects: Raw) -> AsyncIterator[OurKindsApi]:
    """Serve these objects until the end of the block."""
    api = OurKindsApi(folder / "kubeconfig")
    for raw in objects:
        api.put(raw)
    async with kube_api(api.handle) as server:
        api.url = server.url
        kubeconfig(folder, server.url)
        yield api
