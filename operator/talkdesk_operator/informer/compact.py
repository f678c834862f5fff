"""Objects as the cache keeps them: all as JSON, and those that were used last as models, too.

Belongs here: the two forms of one object. Does not belong here: which objects are cached (`cache`), how one is read
(`cached_object`).

It stays because memory is the bound of this process: an account (one installation, one tenant, both in use) takes
10 KB like this, and 55 KB as models alone. With 2,000 accounts the process has 103 MB instead of 194 MB. The price is
CPU time when an account is read that is not among the last used: 0.25 ms instead of 0.015 ms, for an account that is
reconciled with some requests of milliseconds each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Unreadable
from talkdesk_operator.domain.shard import fits
from talkdesk_operator.informer.cached_object import (
    CachedObject,
    ObjectKey,
    key_of,
    raw_version,
    read_object,
    slim,
    unreadable,
)
from talkdesk_operator.observability.installation_tally import Counted
from talkdesk_runtime.lru import LruMap

__all__ = ["CompactObject", "Compactor"]

_MODELS: Final = 128
"""Objects that are models, too: those of more accounts than are reconciled at once, by default."""

_COUNTED: Final = 256
"""States of installations that are shared: most are in one of a few."""


@dataclass(frozen=True, slots=True)
class CompactObject:
    """An object as JSON, and what is asked of every object."""

    object_key: ObjectKey
    uid: str
    version: str
    """Its resourceVersion."""
    key: AccountKey | None
    """The account it belongs to; None for an app, and where it can't be read."""
    json: bytes
    """Empty for an object that can't be read: `note` is all there is of it."""
    counted: Counted | None = None
    """What is counted of it, for the metrics; None for what is no installation, or can't be read."""
    note: Unreadable | None = None
    fits: bool = True
    """Whether it bears the label of its account's slot."""


class Compactor:
    """Makes objects compact, and models of them again."""

    def __init__(self, models: int = _MODELS) -> None:
        """Keep up to so many models."""
        self._models: LruMap[ObjectKey, tuple[CompactObject, CachedObject]] = LruMap(models)
        self._counted: LruMap[Counted, Counted] = LruMap(_COUNTED)

    def pack(self, raw: Mapping[str, Any], object_key: ObjectKey) -> CompactObject:
        """Return an object as the API server gave it in its compact form, whether or not it can be read."""
        slimmed = slim(raw)
        cached, json = read_object(slimmed, object_key), b""
        if not isinstance(cached, Unreadable):
            try:
                # A copy is as long as it has to be; what orjson gives has room for up to twice as much.
                json = bytes(memoryview(orjson.dumps(slimmed)))
            except TypeError:  # a part that is not read at all is too deep, or no JSON
                cached = unreadable(slimmed, object_key, "it can't be written as JSON again")
        uid = str(slimmed["metadata"].get("uid", ""))
        counted = self._sharing_counted(cached) if isinstance(cached, TalkdeskInstallation) else None
        note = cached if isinstance(cached, Unreadable) else None
        key = _sharing(key_of(cached))
        compact = CompactObject(object_key, uid, raw_version(raw), key, json, counted, note, fits(key, raw))
        self._models.put(object_key, (compact, cached))
        return compact

    def open(self, compact: CompactObject) -> CachedObject:
        """Return the object, and keep its model because it will be asked for again."""
        known = self._models.get(compact.object_key)
        if known is not None and known[0] is compact:
            return known[1]
        cached = _read(compact)
        self._models.put(compact.object_key, (compact, cached))
        return cached

    def peek(self, compact: CompactObject) -> CachedObject:
        """Return the object, and keep nothing: for whoever reads all objects once."""
        known = self._models.peek(compact.object_key)
        return known[1] if known is not None and known[0] is compact else _read(compact)

    def forget(self, object_key: ObjectKey) -> None:
        """Drop the model of an object that is deleted."""
        self._models.pop(object_key)

    def _sharing_counted(self, installation: TalkdeskInstallation) -> Counted:
        """Return what is counted of it; all that are in the same state share one."""
        counted = Counted.of(installation)
        if (known := self._counted.get(counted)) is not None:
            return known
        self._counted.put(counted, counted)
        return counted


def _read(compact: CompactObject) -> CachedObject:
    return compact.note or read_object(orjson.loads(compact.json), compact.object_key)


def _sharing(key: AccountKey | None) -> AccountKey | None:
    """Return the key with strings that all objects of the account share."""
    return None if key is None else AccountKey(intern(key.namespace), intern(key.app), intern(key.account_id))
