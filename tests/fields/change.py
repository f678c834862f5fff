"""One change of a field: made, looked at, and undone."""

import asyncio
import copy
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from builders.stack import APP, INSTALLATION, PLURALS, TENANT
from builders.watched import WITHIN, Object
from fields.place import Place
from fields.schema import ITEM, Field
from fields.values import REMOVED, Value
from talkdesk_crds.names import ANNOTATION_RECONCILE, GROUP, VERSION
from talkdesk_runtime.kube import JSON_PATCH, MERGE_PATCH, resource_path

__all__ = ["Change"]

_REGISTERS: Final = frozenset({"request", "trial", "credentials"})
_WHICH_ITEM: Final = {"tenant.steps[]": 1, "objects[]": 1}
"""Of lists whose first item is the Namespace, which is in most objects' way."""
_CALLS: Final = 3
"""The step that calls a service."""


def pointer(steps: list[str | int]) -> str:
    """Return a JSON pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def place_of(of: Field) -> list[str | int]:
    """Return the steps to a field, with a number for each item of a list."""
    steps: list[str | int] = []
    path = ""
    for step in of.steps():
        path += step if step == ITEM else f".{step}" if path else step
        calls = path == "tenant.steps[]" and of.path.startswith(f"{path}.http")
        steps.append((_CALLS if calls else _WHICH_ITEM.get(path, 0)) if step == ITEM else step)
    return steps


def content(spec: Any, steps: list[str | int]) -> Any:
    """Return what is at that place of a spec; REMOVED where nothing is."""
    for step in steps:
        match spec, step:
            case dict(), str() if step in spec:
                spec = spec[step]
            case list(), int() if step < len(spec):
                spec = spec[step]
            case _:
                return REMOVED
    return spec


@dataclass
class Change:
    """A field of one object in a place gets a value."""

    place: Place
    of: Field
    value: Value
    whose: str
    """Whose installation or tenant; nobody's where the field is the app's."""
    before: Object = field(init=False)
    """The spec as it was."""

    def __post_init__(self) -> None:
        self.before = copy.deepcopy(self.place.shown(self.of.kind, self.whose)["spec"])

    @property
    def path(self) -> str:
        """Where the object is at the API server."""
        name = self.place.name(self.of.kind, self.whose)
        return resource_path(GROUP, VERSION, PLURALS[self.of.kind], self.place.talkdesk.namespace, name)

    async def make(self) -> None:
        """Change the field, as a person does, and wait until the operator has looked. Raises KubeError."""
        await self._patch(self._operations())
        await self._reconciled()

    async def undo(self) -> None:
        """Put the spec back, a register with a later time. Raises KubeError.

        That the operator has looked again is seen by what it does; where it does nothing, the next change waits for it.
        """
        now = await self.place.platform.kube.request("GET", self.path)
        spec = copy.deepcopy(self.before)
        register = self._register
        if register is not None:
            stored = now["spec"].get(register, {}).get("eventTime", spec[register]["eventTime"])
            spec[register]["eventTime"] = later(stored)
        await self._patch([{"op": "replace", "path": "/spec", "value": spec}])

    @property
    def _register(self) -> str | None:
        first = self.of.steps()[0]
        return first if self.of.kind == INSTALLATION and first in _REGISTERS and first in self.before else None

    def _operations(self) -> list[Object]:
        steps = place_of(self.of)
        operations: list[Object] = []
        if self._register is not None and len(steps) > 1 and self.of.word != "eventTime":
            moment = later(self.before[self._register]["eventTime"])
            operations.append({"op": "add", "path": f"/spec/{self._register}/eventTime", "value": moment})
        value = self.value.content
        while len(steps) > 1 and content(self.before, steps[:-1]) is REMOVED:
            value, steps = {steps[-1]: value}, steps[:-1]
        at = pointer(["spec", *steps])
        if value is REMOVED:
            return [*operations, {"op": "remove", "path": at}]
        kind = "replace" if isinstance(steps[-1], int) else "add"
        return [*operations, {"op": kind, "path": at, "value": value}]

    async def _patch(self, operations: list[Object]) -> None:
        kube = self.place.platform.kube
        made = await kube.request("PATCH", self.path, body=operations, content_type=JSON_PATCH)
        if self.of.kind == APP:
            await self._seen(made)

    async def _seen(self, app: Object) -> None:
        generation = app["metadata"]["generation"]

        def seen(held: Object | None) -> bool:
            status = (held or {}).get("status", {})
            return bool(status.get("observedGeneration", 0) >= generation) or _is_stalled(held, generation)

        await self.place.platform.watched.until(APP, self.place.talkdesk.app, seen, "be read by the operator")

    async def _reconciled(self) -> None:
        """Ask for a reconcile of the customers that the change is about, and wait until it was done."""
        whose = self.place.customers if self.of.kind == APP else (self.whose,)
        await asyncio.gather(*(self._reconciled_one(each) for each in whose))

    async def _reconciled_one(self, whose: str) -> None:
        of_tenant = self.of.kind == TENANT and not (self.of.path == "paused" and self.value.content is True)
        kind = TENANT if of_tenant else INSTALLATION  # a paused tenant's own status is not written
        name, word = self.place.name(kind, whose), secrets.token_hex(6)
        path = resource_path(GROUP, VERSION, PLURALS[kind], self.place.talkdesk.namespace, name)
        body = {"metadata": {"annotations": {ANNOTATION_RECONCILE: word}}}
        made = await self.place.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)

        def done(held: Object | None) -> bool:
            status = (held or {}).get("status", {})
            return status.get("lastHandledReconcileAt") == word or _is_stalled(held, made["metadata"]["generation"])

        await self.place.platform.watched.until(kind, name, done, "be reconciled", WITHIN)


def later(moment: str) -> str:
    """Return a time a millisecond after another one."""
    return (datetime.fromisoformat(moment) + timedelta(milliseconds=1)).isoformat().replace("+00:00", "Z")


def _is_stalled(held: Object | None, generation: int) -> bool:
    conditions = (held or {}).get("status", {}).get("conditions", [])
    return any(
        each["type"] == "Stalled" and each["status"] == "True" and each.get("observedGeneration", 0) >= generation
        for each in conditions
    )


def shown(value: Value) -> str:
    """Return a value in a few characters."""
    if value.content is REMOVED:
        return "removed"
    text = json.dumps(value.content, ensure_ascii=True)
    return f"{value.name}: {text if len(text) <= 60 else text[:57] + '...'}"
