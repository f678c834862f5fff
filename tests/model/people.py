"""What people do to the objects in the cluster.

A compiled app is known by its generation, so what people do to an app in one scene has only one order.
"""

from collections.abc import Mapping
from typing import Any

from builders.api_server import HOME, Place
from builders.object_patches import merge_patch
from builders.operator_in_memory import SPACE, TENANT
from model.app_status import APP
from model.templates import BEFORE, EDITED
from model.world import World
from talkdesk_crds.fields import to_wire_time

__all__ = ["do", "may"]

_MAP: Place = ("configmaps", SPACE, "account")
_TENANT: Place = ("talkdesktenants", HOME, TENANT)


def may(world: World, act: str) -> bool:
    """Return whether somebody could do that now, and nobody has yet."""
    if act in world.people:
        return False
    match act:
        case "resume":
            return "pause" in world.people
        case "restore":
            return "edit" in world.people
        case "spoil" | "remove":
            return not world.people & {"spoil", "remove"} and world.server.at(_MAP) is not None
        case "approve" | "reject":
            return not world.people & {"approve", "reject"} and _to_decide(world) is not None
        case "delete":
            return _installation(world) is not None
        case "purge":
            tenant = world.server.at(_TENANT)
            return tenant is not None and tenant["spec"]["state"] == "Offboarded"
        case _:
            return True


def do(world: World, act: str) -> None:
    """Do it."""
    world.people |= {act}
    match act:
        case "pause" | "resume":
            _edit(world, APP, {"spec": {"paused": act == "pause"}})
        case "approve" | "reject":
            place, event = _to_decide(world) or (APP, "")
            _edit(world, place, {"spec": {"approval": {"eventId": event, "decision": act.capitalize()}}})
        case "delete":
            place = _installation(world) or APP
            # What was stored goes with the object; what comes from now on must not.
            world.lost |= world.acknowledged
            _delete(world, place)
        case "purge":
            asked = {"requestedBy": "somebody"}
            _edit(world, _TENANT, {"spec": {"purge": asked}})
        case "edit" | "restore":
            _edit(world, APP, {"spec": {"tenant": EDITED if act == "edit" else BEFORE}})
        case "shorten":
            world.edited = world.now
            _edit(world, APP, {"spec": {"retention": {"keepFor": "1h"}}})
        case "spoil":
            raw = world.server.at(_MAP)
            world.server.put(merge_patch(raw, {"data": {"company": "somebody else's"}}), manager="somebody")
        case "remove":
            world.server._drop(_MAP)
        case other:
            raise AssertionError(f"nobody can {other}")


def _edit(world: World, place: Place, changes: Mapping[str, Any]) -> None:
    raw = world.server.at(place)
    assert raw is not None
    world.server._store(place, merge_patch(raw, changes))


def _delete(world: World, place: Place) -> None:
    """Begin a deletion, which counts as a generation; the operator's finalizer holds the object."""
    raw = world.server.at(place)
    assert raw is not None
    stamp = {"deletionTimestamp": to_wire_time(world.moment()), "generation": raw["metadata"]["generation"] + 1}
    _edit(world, place, {"metadata": stamp})


def _installations(world: World) -> list[tuple[Place, Mapping[str, Any]]]:
    return [(place, raw) for place, raw in world.server.of("talkdeskinstallations")]


def _installation(world: World) -> Place | None:
    found = [place for place, raw in _installations(world) if "deletionTimestamp" not in raw["metadata"]]
    return found[0] if found else None


def _to_decide(world: World) -> tuple[Place, str] | None:
    for place, raw in _installations(world):
        request = raw["spec"].get("request") or {}
        if request.get("type") in {"Install", "Update"}:
            return place, request["eventId"]
    return None
