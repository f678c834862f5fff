"""The status of an app as far as decisions about accounts read it: since when its policies that delete are so.

In the real operator the app is a key of the queue beside its accounts, so it may be reconciled before or after them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from builders.api_server import HOME, Place
from builders.object_patches import merge_patch
from builders.objects import NOON
from model.world import World
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.tenant.edit_grace import deletion_policies

__all__ = ["APP", "is_recorded", "record_policies", "with_status"]

APP: Place = ("talkdeskapps", HOME, "sentiment")


def with_status(raw: Mapping[str, Any], now: datetime = NOON) -> dict[str, Any]:
    """Return an app with its policies on record."""
    app = TalkdeskApp.read(dict(raw))
    policies = deletion_policies(app, now)
    status = {"deletionPolicies": policies.model_dump(mode="json", by_alias=True, exclude_none=True)}
    return dict(merge_patch(raw, {"status": status}))


def is_recorded(world: World) -> bool:
    """Return whether the policies are on record as they are; in a scene without a status nobody asks."""
    raw = world.server.at(APP)
    return raw is None or "status" not in raw or with_status(raw, world.moment())["status"] == raw["status"]


def record_policies(world: World) -> None:
    """Let the operator reconcile the app."""
    world.server._store(APP, with_status(world.server.at(APP) or {}, world.moment()))
    world.see(APP)
