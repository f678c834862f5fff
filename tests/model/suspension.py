"""What must hold of a trial's end: a tenant is suspended when it is over and nobody pays, and only then."""

from collections.abc import Iterator, Mapping
from typing import Any

from builders.api_server import HOME, Place
from builders.operator_in_memory import NAMESPACE, SPACE, TEMPLATE_STEPS, TENANT, config_map, template
from model.state import State
from model.talkdesk_truth import Remote
from model.world import World

__all__ = ["TEMPLATE", "judge_suspension", "misplaced_state"]

_RECORD: Place = ("talkdesktenants", HOME, TENANT)
_MAP: Place = ("configmaps", SPACE, "account")
_DATA = {"company": "${account.companyName}", "suspended": "${tenant.suspended ? 'yes' : 'no'}"}
TEMPLATE = template({"name": "base", "manifests": [NAMESPACE, config_map("account", data=_DATA)]}, TEMPLATE_STEPS[1])
"""The usual one, with an object that shows the suspension."""


def judge_suspension(world: World) -> None:
    """Judge a reconcile that suspended the tenant: it was right before it or is now."""
    before, after = world.begun.cluster.objects.get(_RECORD), world.server.at(_RECORD)
    if _state_of(after) != "Suspended" or _state_of(before) == "Suspended":
        return
    if not any(
        remote.is_unpaid for truth in (world.begun.talkdesk, world.talkdesk) for _, remote in truth.installations
    ):
        world.faults.append("the tenant was suspended, but its trial is not over, or the customer pays")


def misplaced_state(state: State, remote: Remote) -> Iterator[str]:
    """Yield what is wrong with the tenant of a live installation when nothing is left to do."""
    wanted = "Suspended" if remote.is_unpaid else "Active"
    found = _state_of(state.cluster.objects.get(_RECORD))
    if found not in {None, wanted}:
        yield f"the tenant should be {wanted}, but is {found}"
    shown = state.cluster.objects.get(_MAP)
    suspended = "yes" if remote.is_unpaid else "no"
    if shown is not None and shown["data"].get("suspended", suspended) != suspended:
        yield f"the tenant should be {wanted}, but an object of it is not as the template says then"


def _state_of(raw: Mapping[str, Any] | None) -> str | None:
    return None if raw is None else raw["spec"]["state"]
