"""How the world should be when nothing is left to do."""

from collections.abc import Iterator, Mapping
from typing import Any

from builders.api_server import HOME
from builders.operator_in_memory import TENANT
from model.hook_properties import misplaced_service
from model.properties import ACCOUNT_MAP, KEYS, NAMESPACE, tenant_is_complete
from model.state import State
from model.suspension import misplaced_state
from model.talkdesk_truth import Remote
from model.templates import misplaced_objects
from model.user_properties import misplaced_users
from model.world import place_of
from talkdesk_crds.names import SECRET_TYPE

__all__ = ["late", "shown", "unfinished"]

DAY = 86_400


def unfinished(state: State) -> Iterator[str]:
    """Yield what is not as the customer, and the app, want it."""
    if _excused(state):
        return
    living = [name for name, remote in state.talkdesk.installations if remote.lives]
    told = [name for name, _ in state.talkdesk.installations if _status(state, name) is not None]
    for name, remote in state.talkdesk.installations:
        if name in told:
            yield from _of_installation(state, name, remote)
    if not set(living) <= set(told):
        return
    if living:
        keys = frozenset(f"key-of-{client}" for client in dict(state.talkdesk.installations)[living[-1]].clients)
        if not tenant_is_complete(state.cluster.objects, keys):
            yield "the customer has the app, but the tenant is not complete"
        yield from misplaced_objects(state)
        yield from misplaced_state(state, dict(state.talkdesk.installations)[living[-1]])
    else:
        yield from _without_customer(state)
    yield from misplaced_service(state, [dict(state.talkdesk.installations)[name] for name in living])
    yield from misplaced_users(state, [dict(state.talkdesk.installations)[name] for name in living])


_OF_THE_PAST = frozenset({"Answered", "DeadlineNear"})


def shown(state: State) -> Iterator[tuple[str, str]]:
    """Yield what decides on the status of each of our objects, and what the status says.

    Left out is what tells of time, or of the past on purpose: the deadline, how the answer got to Talkdesk, whether
    there ever was a tenant, that a disagreement with Talkdesk is over.
    """
    if state.talkdesk.mistaken or _excused(state):
        return
    truth: list[tuple[Any, ...]] = [
        (name, remote.state, remote.waiting is None, remote.plan, remote.trial is None, remote.is_unpaid)
        for name, remote in state.talkdesk.installations
    ]
    truth += [(event, decision, True) for event, decision in state.talkdesk.answered]
    objects = [(place, _wanted(raw)) for place, raw in sorted(state.cluster.objects.items())]
    for place, raw in state.cluster.objects.items():
        status = raw.get("status")
        if status is None or place[0] not in {"talkdeskinstallations", "talkdesktenants"}:
            continue
        conditions = [
            (each["type"], each["status"], each["reason"])
            for each in status.get("conditions", [])
            if each["type"] not in _OF_THE_PAST and (each["type"], each["status"]) != ("InSync", "True")
        ]
        said = (status.get("phase"), conditions, (status.get("ending") or {}).get("reason"), "retry" in status)
        known = (place, truth, objects, sorted(state.people), sorted(state.lost), "tenantRef" in status)
        yield repr(known), repr(said)


def _wanted(raw: Mapping[str, Any]) -> str:
    """Return the spec without what follows from the time and the way to it."""
    left_out = {"uninstallTime", "objects"}
    return repr(sorted((name, value) for name, value in raw.get("spec", {}).items() if name not in left_out))


def _of_installation(state: State, name: str, remote: Remote) -> Iterator[str]:
    status = _status(state, name) or {}
    if remote.waiting is not None:
        yield f"Talkdesk still waits for the answer to {remote.waiting}"
    if remote.rotating:
        yield f"Talkdesk still waits for the acknowledgement of {remote.rotating}"
    ready = {each["type"]: each for each in status.get("conditions", [])}.get("Ready", {})
    shown = f"{status.get('phase')}, Ready {ready.get('status')}, {ready.get('reason')}: {ready.get('message')}"
    live = ("Suspended" if remote.is_unpaid else "Active", "True")
    good = (status.get("phase"), ready.get("status")) in {live, ("Superseded", "False")}
    if remote.lives and remote.state == "completed" and not good:
        yield f"{name} is installed, but its status is {shown}"
    if not remote.lives and not status.get("ending"):
        yield f"{name} is {remote.state} at Talkdesk, but its status shows no end"
    if status.get("retry"):
        yield f"{name} is at rest, but its status speaks of a retry ({status['retry']})"


def _without_customer(state: State) -> Iterator[str]:
    objects = state.cluster.objects
    if KEYS in objects:
        yield "the customer has left, but the tenant's keys are there"
    stored = [place for place, raw in objects.items() if place[0] == "secrets" and raw.get("type") == SECRET_TYPE]
    if stored:
        yield f"the customer has left, but credentials are stored: {stored}"
    tenant = objects.get(("talkdesktenants", HOME, TENANT))
    if tenant is not None and tenant["spec"]["state"] != "Offboarded":
        yield "the customer has left, but the tenant is not offboarded"
    if tenant is None and {NAMESPACE, ACCOUNT_MAP} & objects.keys():
        yield "the tenant has no record, but objects"


def _status(state: State, installation: str) -> Mapping[str, Any] | None:
    raw = state.cluster.objects.get(place_of(installation))
    return None if raw is None else raw.get("status", {})


def late(began: State, state: State) -> bool:
    """Return whether a day has passed and a request is still not at its end, though all has gone well since."""
    if state.now < began.now + DAY or _excused(state) or state.talkdesk.mistaken:
        return False
    open_requests = (each for each in state.talkdesk.events if each.kind in {"install", "update", "uninstall"})
    newest = {each.installation: each for each in open_requests if each.number in state.acknowledged}
    return any(not _is_closed(_status(state, name) or {}, each.id) for name, each in newest.items())


def _is_closed(status: Mapping[str, Any], event_id: str) -> bool:
    answer, ending = status.get("answer") or {}, status.get("ending") or {}
    answered = answer.get("eventId") == event_id and bool(answer.get("deliveryTime"))
    # An end that Talkdesk's state showed before the event came counts for it, too.
    return answered or bool(ending)


def _excused(state: State) -> bool:
    """Return whether a person keeps the work from being finished."""
    paused = "pause" in state.people and "resume" not in state.people
    apps = (raw["spec"] for place, raw in state.cluster.objects.items() if place[0] == "talkdeskapps")
    manual = any(spec.get("approval", {}).get("mode") == "Manual" for spec in apps)
    undecided = manual and not state.people & {"approve", "reject"}
    return paused or undecided or "delete" in state.people
