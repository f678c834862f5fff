"""Which of the tenants' objects are still exactly what we applied, so that applying them again would change nothing.

Belongs here: what is remembered of an apply. Does not belong here: applying (`objects`), noticing drift (the watches).
Only objects are remembered that were ready and that a watch shows: all others are applied whenever somebody asks.
Within one reconcile any that was ready is applied once, however often the template is filled in anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import orjson

from talkdesk_operator.domain.ports.cluster import Cluster, Identity
from talkdesk_operator.templates.render import RenderedStep
from talkdesk_runtime.lru import LruMap

__all__ = ["AppliedVersions", "Earlier"]

_REMEMBERED: Final = 200_000
"""Objects; each takes a quarter of a kilobyte."""


@dataclass(slots=True)
class Earlier:
    """What is known of applies before, in the same reconcile."""

    again: bool = True
    """Whether objects are applied that have not changed since an earlier reconcile."""
    new_namespaces: set[str] = field(default_factory=set)
    """Those that were made."""
    bound: set[str] = field(default_factory=set)
    """Namespaces in which a RoleBinding was made."""
    ready: dict[str, bytes] = field(default_factory=dict)
    """By uid, a digest of what was applied and ready then."""


class AppliedVersions:
    """Remembers by uid, in memory alone: after a restart everything is applied once."""

    def __init__(self, cluster: Cluster, limit: int = _REMEMBERED) -> None:
        self._cluster = cluster
        self._known: LruMap[str, bytes] = LruMap(limit)

    def is_unchanged(
        self, manifest: Mapping[str, Any], uid: str, step: RenderedStep, identity: Identity, earlier: Earlier
    ) -> bool:
        """Return whether this manifest was the last applied to the object, and nobody has written to it since."""
        just = earlier.ready.get(uid)
        if just is not None and just == _digest(manifest, step, ""):
            return True
        known = None if earlier.again else self._known.get(uid)
        seen = self._cluster.version_seen(manifest, identity, uid) if known is not None else None
        return seen is not None and known == _digest(manifest, step, seen)

    def remember(
        self,
        manifest: Mapping[str, Any],
        live: Mapping[str, Any],
        step: RenderedStep,
        identity: Identity,
        earlier: Earlier,
    ) -> None:
        """Take an object that is ready, as an apply of the manifest left it."""
        metadata = live["metadata"]
        uid, version = str(metadata["uid"]), str(metadata.get("resourceVersion", ""))
        earlier.ready[uid] = _digest(manifest, step, "")
        if self._cluster.version_seen(manifest, identity, uid) is not None:
            self._known.put(uid, _digest(manifest, step, version))


def _digest(manifest: Mapping[str, Any], step: RenderedStep, version: str) -> bytes:
    ready_when = step.ready_when.source if step.ready_when is not None else ""
    # The uid is part of an apply to a known object, and not of the first one.
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "uid"}
    content = orjson.dumps([{**manifest, "metadata": metadata}, ready_when, version], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=16).digest()
