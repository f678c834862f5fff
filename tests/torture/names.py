"""Words in the place of what differs from life to life: ids, names, times, digests."""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

__all__ = ["action_of", "replaced"]

_PREFIXES: Final = re.compile(r"/apis/[a-z0-9.]+/v\w+/|/api/v1/")
_NAMESPACED: Final = re.compile(r"namespaces/(\w+)/")
_HASH: Final = re.compile(r"(?<=-)[0-9a-f]{16}\b")
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")


def action_of(what: str, names: Sequence[tuple[str, str]]) -> str:
    """Return a method with a path, or a change with an object, in words that are the same in every life."""
    text = _replaced(what, names)
    text = _NAMESPACED.sub(lambda found: "" if found[1] == "NS" else f"{found[1]}/", text, count=1)
    return _PREFIXES.sub("", text)


def replaced(value: Any, names: Sequence[tuple[str, str]]) -> Any:
    """Return a value of JSON with words in the place of names, times and digests."""
    return orjson.loads(_TIME.sub("TIME", _replaced(orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode(), names)))


def _replaced(text: str, names: Sequence[tuple[str, str]]) -> str:
    for raw, word in names:
        text = text.replace(raw, word)
    return _UUID.sub("ID", _HASH.sub("HASH", text))
