"""What must hold of users: who is active at the SCIM service, and what the cluster holds of them.

Truth is what Talkdesk lists of each installation, and what the service has.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import TENANT
from model.scim_truth import PERSONAL
from model.state import State
from model.talkdesk_truth import Happening, Remote
from model.world import World
from talkdesk_crds.names import USERS_TYPE

__all__ = [
    "end_is_known",
    "judge_activation",
    "judge_deactivation",
    "judge_record_deletion",
    "judge_users_at_answer",
    "misplaced_users",
    "personal_data",
    "was_told",
]


def judge_activation(world: World, who: str) -> None:
    """Judge an order to have a user: listed, of a customer who has the app as far as the operator can know."""
    if not any(_listed(state, who, left=True) for state in (world.begun, world)):
        world.faults.append(f"{who} was sent to the SCIM service, but is not on Talkdesk's list of a live installation")


def judge_deactivation(world: World, who: str) -> None:
    """Judge an order to deactivate a user: the customer lost the user, or has left."""
    if all(_listed(state, who, asked=True) for state in (world.begun, world)):
        world.faults.append(f"{who} was deactivated, but is on Talkdesk's list of a live installation")


def judge_users_at_answer(world: World, waiting: Happening, *, timed_out: bool) -> None:
    """Judge the approval of a request by the users at the service."""
    scim, remote = world.scim, world.talkdesk.find(waiting.installation)
    if not has_users(world) or remote is None:
        return
    if waiting.kind == "uninstall":
        others = [each for _, each in world.talkdesk.installations if each.lives]
        if scim.active and not timed_out and not others:
            world.faults.append(f"{waiting} was acknowledged while {sorted(scim.active)} could use the product")
        return
    missing = set(remote.users) - scim.active - scim.refused
    if missing:
        world.faults.append(f"{waiting} was approved while the SCIM service lacked {sorted(missing)}")


def judge_record_deletion(world: World, place: Place, raw: Mapping[str, Any]) -> None:
    """Judge the deletion of a record of users: only it says who may still be active."""
    if raw.get("type") == USERS_TYPE and world.scim.active:
        world.faults.append(f"{place} was deleted while {sorted(world.scim.active)} could use the product")


def misplaced_users(state: State, living: list[Remote]) -> Iterator[str]:
    """Yield what is wrong with users when nothing is left to do."""
    if not has_users(state):
        return
    wanted = frozenset(living[-1].users) if living else frozenset()
    if state.scim.active != wanted:
        yield f"Talkdesk lists {sorted(wanted)}, and at the SCIM service {sorted(state.scim.active)} are active"
    records = [place for place, raw in state.cluster.objects.items() if raw.get("type") == USERS_TYPE]
    if records and not living and ("talkdesktenants", HOME, TENANT) not in state.cluster.objects:
        yield f"nothing is left of the tenant but records of its users: {records}"


def personal_data(state: State) -> Iterator[str]:
    """I4 for people: no name and no address is in any object, Secrets included."""
    if not has_users(state):
        return
    for place, raw in state.cluster.objects.items():
        data = (raw.get("data") or {}).values() if place[0] == "secrets" else ()
        if PERSONAL in "".join((str(raw), *(base64.b64decode(text).decode() for text in data))):
            yield f"a user's name or address is in {place}"


def has_users(state: State | World) -> bool:
    """Return whether the app has a SCIM service."""
    objects = state.cluster.objects if isinstance(state, State) else state.server.cluster.objects
    return any("users" in raw["spec"] for place, raw in objects.items() if place[0] == "talkdeskapps")


def was_told(state: State | World, installation: str) -> bool:
    """Return whether the cluster was told of the newest install."""
    numbers = [e.number for e in state.talkdesk.events if (e.kind, e.installation) == ("install", installation)]
    return bool(numbers) and numbers[-1] in state.acknowledged


def _listed(state: State | World, who: str, *, asked: bool = False, left: bool = False) -> bool:
    """Return whether Talkdesk lists a user for an installation that lives.

    It must have been `asked` for as far as the cluster was told; or may have `left` without that the cluster knows.
    """
    return any(
        who in remote.users
        and (remote.lives or (left and not end_is_known(state, name)))
        and (not asked or was_told(state, name))
        for name, remote in state.talkdesk.installations
    )


def end_is_known(state: State | World, installation: str) -> bool:
    """Return whether the cluster was told of an uninstall, and the operator has seen it."""
    events = [each for each in state.talkdesk.events if (each.kind, each.installation) == ("uninstall", installation)]
    unseen = isinstance(state, State) and any(
        state.cluster.objects.get(place) is not raw for place, raw in state.seen.items()
    )
    return bool(events) and events[-1].number in state.acknowledged and not unseen
