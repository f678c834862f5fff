"""A state of the model: the whole world as one immutable value, and its canonical form.

Two states are the same when nothing that anybody can do next tells them apart. So versions of objects are left out, but
for whether the operator has seen the present one; so is the order in which objects were made.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builders.api_server import Place
from model.hook_truth import Hook
from model.kube import Cluster, Stored
from model.scim_truth import Scim
from model.talkdesk_truth import Truth
from talkdesk_operator.workqueue.contract import Cause

__all__ = ["LEAD", "Spent", "State", "key_of"]

LEAD = 7
"""The operator acts so many seconds after the last thing that the customer did, or that the clock reached."""
Spent = tuple[tuple[str, int], ...]
"""How many disturbances of each sort there were."""


@dataclass(frozen=True, slots=True)
class State:
    """A state between two actions."""

    cluster: Cluster
    seen: Mapping[Place, Stored]
    """Objects of our kinds as the operator's cache has them."""
    talkdesk: Truth = field(default_factory=Truth)
    scim: Scim = field(default_factory=Scim)
    hook: Hook = field(default_factory=Hook)
    pending: frozenset[int] = frozenset()
    """Events that Talkdesk still delivers, by number."""
    acknowledged: frozenset[int] = frozenset()
    """Events that got a 200."""
    lost: frozenset[int] = frozenset()
    """Events that Talkdesk has given up, or that a person deleted with their object."""
    acted: int = 0
    """How many of the customer's acts there were."""
    people: frozenset[str] = frozenset()
    """What people have done."""
    edited: int = 0
    """When somebody edited a policy that deletes."""
    now: int = 0
    timers: tuple[tuple[int, str], ...] = ()
    """When the operator is woken, and as what."""
    due: frozenset[Cause] = frozenset()
    """Why the operator is to reconcile now."""
    spent: Spent = ()


def key_of(state: State) -> bytes:
    """Return a short form that equal states have in common."""
    digest = hashlib.blake2b(digest_size=16)
    for place, raw in sorted(state.cluster.objects.items(), key=lambda item: item[0]):
        digest.update(repr(place).encode())
        digest.update(raw.canonical)
    for place, raw in sorted(state.seen.items(), key=lambda item: item[0]):
        present = state.cluster.objects.get(place)
        if present is None or present["metadata"]["resourceVersion"] != raw["metadata"]["resourceVersion"]:
            digest.update(b"unseen" + repr(place).encode() + raw.canonical)
    digest.update(repr(_rest(state)).encode())
    return digest.digest()


def _rest(state: State) -> tuple[Any, ...]:
    return (
        state.talkdesk,
        state.scim.users,
        sorted(state.scim.refused),
        state.hook,
        sorted(state.pending),
        sorted(state.acknowledged),
        sorted(state.lost),
        state.acted,
        sorted(state.people),
        state.edited,
        state.now,
        state.timers,
        sorted(state.due),
        state.spent,
    )
