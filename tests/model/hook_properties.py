"""What must hold of the partner's service: what it has of the tenant, and what the operator's record says of it.

Truth is what the service has and was sent, and what the customer wants.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import TENANT
from model.hook_truth import RECORD, STEP, Held, is_being_deleted, is_on_record
from model.properties import KEYS, OFFBOARD_TIMEOUT, installed, is_kept
from model.state import State
from model.talkdesk_truth import Remote
from model.user_properties import end_is_known
from model.world import World
from talkdesk_operator.domain.ports.talkdesk import Decision

__all__ = [
    "has_service",
    "judge_delete",
    "judge_key",
    "judge_put",
    "judge_service_at_answer",
    "misplaced_service",
    "unrecorded",
]


def judge_key(world: World, key: str, fingerprint: str) -> None:
    """Judge a request before it is sent, whatever becomes of it: a key goes with one method, path and body."""
    known = dict(world.hook.sent).setdefault(key, fingerprint)
    if known != fingerprint:
        world.faults.append(f"the key {key} came with another method, path or body than before")
    world.hook = replace(world.hook, sent=tuple(sorted({**dict(world.hook.sent), key: fingerprint}.items())))


def judge_put(world: World, held: Held) -> None:
    """Judge a PUT that arrives: it makes or keeps something for a customer, or locks out one who has left."""
    if held.state == "Offboarded":
        if installed(world.begun) and installed(world):
            world.faults.append("the service was told that the customer has left, who has the app")
        if world.hook.held is None and world.hook.gone:
            world.faults.append("something was made at the service, after its deletion, for a customer who has left")
    elif not any(
        remote.lives or not end_is_known(state, name)
        for state in (world.begun, world)
        for name, remote in state.talkdesk.installations
    ):
        world.faults.append("something was made at the service for a customer who has left")


def judge_delete(world: World) -> None:
    """Judge a DELETE that arrives: for a customer who has left, or of what may be there though nobody has it."""
    hook, before = world.hook, world.begun.cluster.objects
    if hook.held is None or not (hook.used or is_on_record(before, as_certain=True)) or is_being_deleted(before):
        return
    if has := installed(world.begun):
        world.faults.append(f"the service was told to delete what it has though the customer has the app: {has[0]}")
    if _step(world).get("onOffboard") != "Delete" and is_kept(world):
        world.faults.append("the service was told to delete what it has before the retention had ended")


def judge_service_at_answer(world: World, installation: str, decision: Decision) -> None:
    """Judge an answer by what the service has, before it has its effect."""
    remote = world.talkdesk.find(installation)
    if not has_service(world) or remote is None or remote.waiting is None or decision is not Decision.APPROVE:
        return
    waiting, hook = remote.waiting, world.hook.at(world.now)
    if waiting.kind != "uninstall":
        if hook.held is None or hook.held.state == "Offboarded" or hook.doing is not None:
            world.faults.append(f"{waiting} was approved while the service had {hook.held}")
        world.hook = replace(world.hook, used=world.hook.held is not None)
    elif (
        hook.held is not None
        and hook.held.state != "Offboarded"
        and world.now < waiting.at + OFFBOARD_TIMEOUT
        and not installed(world)
    ):
        world.faults.append(f"{waiting} was acknowledged before the service was told")


def unrecorded(state: State) -> Iterator[str]:
    """Yield what the service has, or will have, and no record names."""
    hook = state.hook
    if (hook.held is not None or hook.doing is not None) and not is_on_record(state.cluster.objects):
        yield f"the service has {hook.held or hook.doing}, and no record says so"


def misplaced_service(state: State, living: list[Remote]) -> Iterator[str]:
    """Yield what is wrong with the service when nothing is left to do."""
    if not has_service(state):
        return
    hook, objects = state.hook.at(state.now), state.cluster.objects
    if hook.doing is not None:
        yield f"the service is at {hook.doing}, and nobody asks how far it is"
    if living:
        yield from _of_customer(hook.held, living[-1], state)
    elif ("talkdesktenants", HOME, TENANT) not in objects:
        if hook.held is not None or RECORD in objects:
            yield f"nothing is left of the tenant, but the service has {hook.held}, or there is a record of it"
    elif hook.held is not None and (hook.held.state != "Offboarded" or _step(state).get("onOffboard") == "Delete"):
        yield f"the customer has left, but the service has {hook.held}"


def _of_customer(held: Held | None, remote: Remote, state: State) -> Iterator[str]:
    client = remote.clients[-1] if _step(state)["http"].get("credentials") else ""
    wanted = Held("Suspended" if remote.is_unpaid else "Active", remote.plan, client)
    if held != wanted:
        yield f"the service should have {wanted}, but has {held}"
    elif not is_on_record(state.cluster.objects, as_certain=True):
        yield f"the service has {held}, but the record is not certain of it"
    keys = state.cluster.objects.get(KEYS)
    if keys is not None and base64.b64decode(keys["data"]["word"]).decode() != wanted.word:
        yield "what the service has answered is not what the tenant's objects have"


def has_service(state: State | World) -> bool:
    """Return whether the app calls a service."""
    return bool(_step(state))


def _step(state: State | World) -> Mapping[str, Any]:
    objects = state.cluster.objects if isinstance(state, State) else state.server.cluster.objects
    app: Place = ("talkdeskapps", HOME, "sentiment")
    steps = objects[app]["spec"]["tenant"]["steps"] if app in objects else ()
    return next((step for step in steps if step["name"] == STEP), {})
