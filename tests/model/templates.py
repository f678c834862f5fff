"""Templates of the model's app, edits of them, and what a tenant should have by the one that is there.

Belongs here: the objects that a template asks for, and what may become of one that left it. Does not belong here: who
edits (`people`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import NAMESPACE, SPACE, TEMPLATE_STEPS, config_map, template
from model.state import State
from model.world import World

__all__ = ["BEFORE", "EDITED", "is_removed_by_edit", "misplaced_objects"]

_BASE, _KEYS = TEMPLATE_STEPS
_KIND = {"ConfigMap": "configmaps", "Secret": "secrets"}


def _step(name: str, on_remove: str) -> Mapping[str, Any]:
    return {"name": name, "onRemove": on_remove, "manifests": [config_map(name, data={"of": name})]}


BEFORE = template(_BASE, _step("passing", "Delete"), _step("lasting", "Retain"), _KEYS)
EDITED = template(_BASE, _step("added", "Delete"), _KEYS)
"""What a person's edit makes of it: two objects less, one of which is to be kept, and one more."""
_PASSING: Place = ("configmaps", SPACE, "passing")
_ADDED: Place = ("configmaps", SPACE, "added")
_LASTING: Place = ("configmaps", SPACE, "lasting")


def is_removed_by_edit(world: World, place: Place) -> bool:
    """Return whether an object may go because it left the template, before this reconcile or in it."""
    return place in {_PASSING, _ADDED} and any(place not in _wanted(_app(each)) for each in (world.begun, world))


def misplaced_objects(state: State) -> Iterator[str]:
    """Yield what a live customer's tenant has too much, or not as the template says, when nothing is left to do."""
    wanted = _wanted(_app(state))
    present = {place: raw for place, raw in state.cluster.objects.items() if place[1] == SPACE}
    for place in present.keys() - wanted.keys() - {_LASTING}:
        yield f"{place} is there, but the template has it not"
    for place, data in wanted.items():
        if place not in present:
            yield f"the template has {place}, which is not there"
        elif data is not None and present[place].get("data") != data:
            yield f"{place} is not as the template says"


def _app(state: State | World) -> Mapping[str, Any]:
    objects = state.cluster.objects if isinstance(state, State) else state.server.cluster.objects
    spec: Mapping[str, Any] = objects["talkdeskapps", HOME, "sentiment"]["spec"]
    return spec


def _wanted(app: Mapping[str, Any]) -> dict[Place, Mapping[str, str] | None]:
    """Return the objects in the tenant's namespace, with their data; None for data that differ by customer and time."""
    manifests = [
        manifest for step in app["tenant"]["steps"] for manifest in step.get("manifests", ()) if manifest != NAMESPACE
    ]
    return {(_KIND[each["kind"]], SPACE, each["metadata"]["name"]): _rendered(each) for each in manifests}


def _rendered(manifest: Mapping[str, Any]) -> Mapping[str, str] | None:
    data = {name: text.replace("${account.companyName}", "Acme Inc.") for name, text in manifest["data"].items()}
    return None if "${" in str(data) else data
