"""Objects as the store keeps them: all as JSON, and those that were used last as models, too.

Belongs here: that. Does not belong here: which objects are kept (`store`), how one is understood (`held`).

An account's models take 25 KB, its JSON 6 KB; to read an object again takes 0.03 ms, and a pass needs two of them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final

import orjson

from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cached_object import CachedObject, ObjectKey, key_of, raw_version, read_object, slim

__all__ = ["CompactObject", "Compactor"]

_OPENED: Final = 128
"""Objects that are models, too: those of more accounts than are worked on at once, by default."""


@dataclass(frozen=True, slots=True)
class CompactObject:
    """An object as JSON, and what is asked of every object."""

    place: ObjectKey
    uid: str
    version: str
    """Its resourceVersion."""
    key: AccountKey | None
    """The account it belongs to; None for an app, and where nobody knows."""
    json: bytes


class Compactor:
    """Packs objects, and opens them again."""

    def __init__(self, opened: int = _OPENED) -> None:
        """Keep up to `opened` models."""
        self._opened: OrderedDict[ObjectKey, tuple[CompactObject, CachedObject]] = OrderedDict()
        self._limit = opened

    def pack(self, raw: Mapping[str, Any], place: ObjectKey) -> CompactObject:
        """Pack an object as the API server gave it, whether or not it can be understood."""
        slimmed = slim(raw)
        held = read_object(slimmed, place)
        uid = str(slimmed["metadata"].get("uid", ""))
        # A copy is as long as it has to be; what orjson gives has room for up to twice as much.
        json = bytes(memoryview(orjson.dumps(slimmed)))
        packed = CompactObject(place, uid, raw_version(raw), _sharing(key_of(held)), json)
        self._keep(packed, held)
        return packed

    def open(self, packed: CompactObject) -> CachedObject:
        """Return the object, and expect to be asked for it again."""
        known = self._opened.get(packed.place)
        if known is not None and known[0] is packed:
            self._opened.move_to_end(packed.place)
            return known[1]
        held = _read(packed)
        self._keep(packed, held)
        return held

    def glance(self, packed: CompactObject) -> CachedObject:
        """Return the object, and do not expect to be asked for it again."""
        known = self._opened.get(packed.place)
        return known[1] if known is not None and known[0] is packed else _read(packed)

    def forget(self, place: ObjectKey) -> None:
        """Drop the model of what is at that place no more."""
        self._opened.pop(place, None)

    def _keep(self, packed: CompactObject, held: CachedObject) -> None:
        self._opened[packed.place] = (packed, held)
        self._opened.move_to_end(packed.place)
        if len(self._opened) > self._limit:
            self._opened.popitem(last=False)


def _read(packed: CompactObject) -> CachedObject:
    return read_object(orjson.loads(packed.json), packed.place)


def _sharing(key: AccountKey | None) -> AccountKey | None:
    """Let all objects of an account have their words in common."""
    return None if key is None else AccountKey(intern(key.namespace), intern(key.app), intern(key.account_id))
