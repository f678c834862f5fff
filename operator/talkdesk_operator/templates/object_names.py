"""Names of objects, as far as one rule holds for all kinds."""

from typing import Final

__all__ = ["is_object_name"]

_MAX_NAME: Final = 253
"""Characters of an object's name: RFC 1123's limit for a subdomain."""


def is_object_name(name: object) -> bool:
    """Return whether the API server accepts it as a path segment; stricter rules differ by kind."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        return False
    return name not in {".", ".."} and name.isprintable() and not set("/% ") & set(name)
