"""Every class of a tree of errors, so that a table over it can be walked."""

from typing import TypeVar

__all__ = ["trees"]

_Error = TypeVar("_Error", bound=Exception)


def trees(root: type[_Error]) -> list[type[_Error]]:
    """Return the class and all that are below it."""
    found = [root]
    for error in found:
        found.extend(error.__subclasses__())
    return found
