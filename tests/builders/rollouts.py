"""A template in several versions, one of which the API server refuses for some customers, and what has arrived."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from builders.stack import APP, Customer, Stack
from builders.stack_manifests import NAMESPACE, STEPS, config_map

__all__ = ["BREAKS", "WITHIN", "app_until", "steps", "versions"]

BREAKS: Final = {"broken": True}
"""Values of a tenant that version 2 breaks."""
WITHIN: Final = 600
"""Seconds that a rollout may take on a machine with other work."""


def steps(version: str) -> list[dict[str, Any]]:
    """Return a template that the API server refuses, in version 2, for who has the value `broken`."""
    name = "${'broken' in tenant.values ? '-' : 'settings'}" if version == "2" else "settings"
    settings = config_map({"version": version}, name=name)
    return [{"name": "base", "manifests": [NAMESPACE, settings]}, *STEPS[2:]]


async def app_until(talkdesk: Stack, found: Callable[[Any], object], what: str) -> dict[str, Any]:
    """Wait until this is so of the app; return it."""
    obj = await talkdesk.platform.watched.until(APP, talkdesk.app, found, what, within=WITHIN)
    assert obj is not None
    return obj


async def versions(customers: Iterable[Customer]) -> set[str]:
    """Return the versions that these customers have."""
    found = await asyncio.gather(*(each.existing("ConfigMap", "settings") for each in customers))
    return {each["data"]["version"] for each in found}
