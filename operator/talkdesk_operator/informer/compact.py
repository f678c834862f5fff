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

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cached_object import CachedObject, ObjectKey, key_of, raw_version, read_object, slim
from talkdesk_runtime.lru import LruMap

__all__ = ["CompactObject", "Compactor"]

_MODELS: Final = 128
"""Objects that are models, too: those of more accounts than are reconciled at once, by default."""


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


class Compactor:
    """Makes objects compact, and models of them again."""

    def __init__(self, models: int = _MODELS) -> None:
        """Keep up to so many models."""
        self._models: LruMap[ObjectKey, tuple[CompactObject, CachedObject]] = LruMap(models)

    def pack(self, raw: Mapping[str, Any], object_key: ObjectKey) -> CompactObject:
        """Return an object as the API server gave it in its compact form, whether or not it can be read."""
        slimmed = slim(raw)
        cached = read_object(slimmed, object_key)
        uid = str(slimmed["metadata"].get("uid", ""))
        # A copy is as long as it has to be; what orjson gives has room for up to twice as much.
        json = bytes(memoryview(orjson.dumps(slimmed)))
        compact = CompactObject(object_key, uid, raw_version(raw), _sharing(key_of(cached)), json)
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


def _read(compact: CompactObject) -> CachedObject:
    return read_object(orjson.loads(compact.json), compact.object_key)


def _sharing(key: AccountKey | None) -> AccountKey | None:
    """Return the key with strings that all objects of the account share."""
    return None if key is None else AccountKey(intern(key.namespace), intern(key.app), intern(key.account_id))
