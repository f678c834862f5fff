"""What must hold: of every effect when it happens, of every state, and of the state in which nothing is left to do.

Truth is what the model knows of Talkdesk, the customer and the cluster; the operator knows only what it was told.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import SPACE
from model.kube import Cluster
from model.records import CANARY, record
from model.scim_truth import PERSONAL
from model.state import State
from model.talkdesk_truth import Happening, Truth, moment
from model.templates import is_removed_by_edit
from model.user_properties import judge_record_deletion, judge_users_at_answer, personal_data, was_told
from model.world import World, place_of
from talkdesk_crds.installation import Decision
from talkdesk_crds.names import LABEL_INSTALLATION, SECRET_TYPE

__all__ = [
    "installed",
    "is_confidential",
    "is_kept",
    "judge_acknowledgement",
    "judge_answer",
    "judge_deletion",
    "judge_end_of_turn",
    "judge_report",
    "tenant_is_complete",
    "violations",
]

NAMESPACE: Place = ("namespaces", "", SPACE)
ACCOUNT_MAP: Place = ("configmaps", SPACE, "account")
KEYS: Place = ("secrets", SPACE, "keys")
RETENTION = 90 * 86_400
OFFBOARD_TIMEOUT = 600
"""The app's defaults."""
HOUR = 3600
"""A retention that somebody shortened, and how long nothing is deleted by that."""


def judge_answer(world: World, installation: str, decision: Decision, asked: Mapping[str, Any]) -> None:
    """Judge an answer that arrives at Talkdesk, before it has its effect; `asked` is what it was sent for."""
    remote = world.talkdesk.find(installation)
    waiting = remote.waiting if remote is not None else None
    if waiting is None:
        return
    meant = asked.get("eventId") == waiting.id or str(asked.get("type")).lower() == waiting.kind
    if not meant and world.read.get(installation) == waiting:
        world.faults.append(
            f"the answer to {asked.get('eventId')} was sent though Talkdesk showed that {waiting} waits"
        )
    if not meant:
        # Nobody could know: a call names no event, and the customer acted after Talkdesk's state was read.
        world.talkdesk = replace(world.talkdesk, mistaken=(*world.talkdesk.mistaken, waiting.id))
        return
    if _is_paused(world.begun):
        world.faults.append(f"{waiting} was answered though a person had paused the work")
    if decision is Decision.REJECT and "reject" not in world.people:
        world.faults.append(f"{waiting} was rejected, which nobody wanted")
    decided = "approve" in world.people or waiting.kind == "uninstall" or not _is_manual(world)
    if decision is Decision.APPROVE and not decided:
        world.faults.append(f"{waiting} was approved before a person had decided")
    if decision is Decision.APPROVE:
        _judge_approval(world, waiting)


def _judge_approval(world: World, waiting: Happening) -> None:
    objects = world.server.cluster.objects
    spoiled = (world.people - world.begun.people) & {"remove"}
    if waiting.kind != "uninstall" and not spoiled and not tenant_is_complete(objects, _good_keys(world.talkdesk)):
        world.faults.append(f"{waiting} was approved before the tenant was complete")
    early = world.now < waiting.at + OFFBOARD_TIMEOUT
    if waiting.kind == "uninstall" and KEYS in objects and early and not installed(world):
        world.faults.append(f"{waiting} was acknowledged before the tenant was offboarded")
    judge_users_at_answer(world, waiting, timed_out=not early)


def judge_acknowledgement(world: World, installation: str, client: str) -> None:
    """Judge the acknowledgement of a credential version: it must be stored, named and proven."""
    raw = world.server.at(place_of(installation))
    register = (raw["spec"].get("credentials") or {}) if raw is not None else {}
    if _client_of(world.server.cluster, register.get("secretName", "")) != client:
        world.faults.append(f"{client} was acknowledged, but it is not what the installation has stored")
    if client not in world.proven:
        world.faults.append(f"{client} was acknowledged before a call with it had worked")


def judge_deletion(world: World, place: Place, raw: Mapping[str, Any]) -> None:
    """Judge the deletion of an object by the operator."""
    if place[0] == "secrets" and raw.get("type") == SECRET_TYPE:
        _judge_credentials(world, place, raw)
    elif place == NAMESPACE or place[1] == SPACE:
        _judge_tenant_object(world, place)
    judge_record_deletion(world, place, raw)


def _judge_tenant_object(world: World, place: Place) -> None:
    wanted = installed(world.begun)
    if is_removed_by_edit(world, place):
        return
    if wanted:
        world.faults.append(f"{place} was deleted though the customer has the app: {wanted[0]}")
    if place != KEYS and is_kept(world):
        world.faults.append(f"{place} was deleted before its retention had ended")


def is_kept(world: World) -> bool:
    """Return whether what a tenant keeps after an uninstall must be there yet."""
    if "purge" in world.people:
        return False
    left = [event.at for event in world.talkdesk.events if event.kind == "uninstall"]
    left += [
        remote.since
        for name, remote in world.talkdesk.installations
        if remote.state in {"timeout", "rejected"} and was_told(world, name)
    ]
    shorter = "shorten" in world.people
    over = max(max(left) + HOUR, world.edited + HOUR) if left and shorter else max(left, default=0) + RETENTION
    return not left or world.now < over


def _judge_credentials(world: World, place: Place, raw: Mapping[str, Any]) -> None:
    """Credentials may go when Talkdesk takes them no more, or when others are stored that it takes."""
    name = raw["metadata"]["labels"][LABEL_INSTALLATION]
    for installation, remote in world.talkdesk.installations:
        if place_of(installation)[2] != name or not (remote.lives or remote.waiting is not None):
            continue
        others = {
            _client_of(world.server.cluster, other[2])
            for other, secret in world.server.cluster.objects.items()
            if other[:2] == ("secrets", HOME) and other != place and _belongs(secret, name)
        }
        needed = _client_in(raw) in remote.clients
        if needed and not others & set(remote.clients):
            world.faults.append(f"the last credentials of {installation} were deleted while they were needed")


def judge_report(world: World, raw: Mapping[str, Any]) -> None:
    """Judge a Kubernetes Event."""
    if is_confidential(str(raw)):
        world.faults.append(f"I4: an Event tells too much: {raw.get('reason')}")


def is_confidential(text: str) -> bool:
    """Return whether a text has a secret in it, or a user's name or address."""
    return CANARY in text or PERSONAL in text


def judge_end_of_turn(world: World) -> None:
    """Judge what a reconcile has written: Ready says that all is as it should be."""
    for installation, remote in world.talkdesk.installations:
        raw = world.server.at(place_of(installation))
        if raw is None or raw is world.begun.cluster.objects.get(place_of(installation)):
            continue
        status = raw.get("status", {})
        if status.get("observedGeneration") != raw["metadata"]["generation"] or _condition(status, "Ready") != "True":
            continue
        complete = tenant_is_complete(world.server.cluster.objects, None) or "remove" in world.people
        if status.get("phase") == "Active" and not complete:
            world.faults.append(f"{installation} is Ready and Active, but its tenant is not complete")
        begun = world.begun.talkdesk.find(installation)
        if begun is not None and begun.waiting is not None and begun.waiting == remote.waiting:
            request = raw["spec"].get("request") or {}
            if request.get("eventId") == begun.waiting.id:
                world.faults.append(f"{installation} is Ready while Talkdesk waits for the answer to {begun.waiting}")


def violations(state: State) -> Iterator[str]:
    """Yield what is wrong with a state."""
    yield from _lost_events(state)
    yield from _credentials_without_secret(state)
    yield from _records_without_effect(state)
    yield from _secrets_shown(state)
    yield from personal_data(state)


def _lost_events(state: State) -> Iterator[str]:
    """I1: what got a 200 is in its registers, or something newer is."""
    for number in state.acknowledged - state.lost:
        happening = state.talkdesk.events[number - 1]
        raw = state.cluster.objects.get(place_of(happening.installation))
        if raw is None:
            yield f"{happening} got a 200, but there is no object with it"
            continue
        for register in record(happening).registers:
            stored = raw["spec"].get(register.name)
            if stored is None or datetime.fromisoformat(stored["eventTime"]) < moment(happening.at):
                yield f"{happening} got a 200, but {register.name} has something older"


def _credentials_without_secret(state: State) -> Iterator[str]:
    """Credentials that the spec names are stored, until the end."""
    for place, raw in state.cluster.objects.items():
        register = raw["spec"].get("credentials") if place[0] == "talkdeskinstallations" else None
        if register is None or raw.get("status", {}).get("ending") or "deletionTimestamp" in raw["metadata"]:
            continue
        if ("secrets", HOME, register["secretName"]) not in state.cluster.objects:
            yield f"{place[2]} names the Secret {register['secretName']}, which is not there"


def _records_without_effect(state: State) -> Iterator[str]:
    """What is on record as done was done: an answer, an end."""
    for installation, remote in state.talkdesk.installations:
        raw = state.cluster.objects.get(place_of(installation))
        status: Mapping[str, Any] = raw.get("status", {}) if raw is not None else {}
        answer, ending, waiting = status.get("answer") or {}, status.get("ending") or {}, remote.waiting
        if ending.get("reason") == "Gone" and remote.lives and remote.state != "timeout":
            yield f"{installation} is on record as gone, but the customer has it"
        if waiting is None:
            continue
        if answer.get("eventId") == waiting.id and answer.get("deliveryTime"):
            yield f"the answer to {waiting} is on record as delivered, but Talkdesk waits for it"
        if ending.get("eventId") == waiting.id and not _is_overdue(state, waiting):
            yield f"{waiting} is on record as ended ({ending['reason']}), but Talkdesk waits for its answer"


def _secrets_shown(state: State) -> Iterator[str]:
    """I4: no secret is in anything but a Secret."""
    for place, raw in state.cluster.objects.items():
        if place[0] != "secrets" and CANARY in str(raw):
            yield f"I4: a secret is in {place}"


def tenant_is_complete(objects: Mapping[Place, Any], keys: frozenset[str] | None) -> bool:
    """Return whether the tenant has all its objects, with one of these keys (None for any)."""
    if not {NAMESPACE, ACCOUNT_MAP, KEYS} <= objects.keys():
        return False
    return keys is None or base64.b64decode(objects[KEYS]["data"]["key"]).decode() in keys


def _good_keys(truth: Truth) -> frozenset[str]:
    return frozenset(f"key-of-{client}" for _, remote in truth.installations for client in remote.clients)


def installed(state: State | World) -> list[str]:
    """Return the installations that the customer has, as the cluster was told."""
    return [name for name, remote in state.talkdesk.installations if remote.lives and was_told(state, name)]


def _is_overdue(state: State, waiting: Happening) -> bool:
    return state.now >= waiting.at + 7 * 86_400


def _is_paused(state: State) -> bool:
    return "pause" in state.people and "resume" not in state.people and not _unseen(state)


def _unseen(state: State) -> bool:
    """Return whether the operator's cache was not up to date."""
    return any(state.cluster.objects.get(place) is not raw for place, raw in state.seen.items())


def _is_manual(world: World) -> bool:
    apps = world.server.of("talkdeskapps")
    return any(raw["spec"].get("approval", {}).get("mode") == "Manual" for _, raw in apps)


def _condition(status: Mapping[str, Any], kind: str) -> str | None:
    return next((each["status"] for each in status.get("conditions", []) if each["type"] == kind), None)


def _belongs(secret: Mapping[str, Any], name: str) -> bool:
    return (secret["metadata"].get("labels") or {}).get(LABEL_INSTALLATION) == name


def _client_of(cluster: Cluster, secret_name: str) -> str:
    secret = cluster.objects.get(("secrets", HOME, secret_name))
    return _client_in(secret) if secret is not None else ""


def _client_in(secret: Mapping[str, Any]) -> str:
    return base64.b64decode(secret["data"]["client_id"]).decode()
