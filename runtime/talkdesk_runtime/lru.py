"""A map with a bound, which drops the entry that was used the longest time ago.

Belongs here: the bound and the order of use. Does not belong here: expiry, loading (talkdesk_runtime.lookup_cache).
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

__all__ = ["LruMap"]

K = TypeVar("K")
V = TypeVar("V")


class LruMap(Generic[K, V]):
    """A map of at most `size` entries."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        """Yield the keys, the one used the longest time ago first."""
        return iter(self._values)

    def get(self, key: K) -> V | None:
        """Return the value and count it as used, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """Return the value without counting it as used, or None."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep the value as the one used last; drop the oldest when there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def pop(self, key: K) -> V | None:
        """Remove the key and return its value, or None when it is not there."""
        return self._values.pop(key, None)

    def values(self) -> Iterator[V]:
        """Yield the values, the one used the longest time ago first."""
        return iter(self._values.values())
