"""Which of all accounts are worked on here, where several shards share them; an app belongs to all of these.

Belongs here: what the reconcilers must know of that. Does not belong here: reading the others' accounts (`informer`).
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from talkdesk_operator.domain.ports.cache import Cache
from talkdesk_operator.domain.shard import WHOLE, Shard

__all__ = ["Share", "Survey"]

Survey: TypeAlias = Callable[[str, str], AsyncGenerator[Cache, None]]
"""Shows, by an app's namespace and name, all of its accounts as they were at one moment, some at a time.

Raises KubeError.
"""


@dataclass(frozen=True, slots=True)
class Share:
    """A shard's accounts, and how to see those of all shards."""

    follow: Callable[[], None]
    """Called when an app was added, changed or deleted, for watches that depend on apps."""
    shard: Shard = WHOLE
    survey: Survey | None = None
    """None where the cache has all accounts."""
