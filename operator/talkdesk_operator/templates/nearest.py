"""What somebody most likely meant who misspelled a name.

Belongs here: likeness of names. Does not belong here: which names there are (`variables`, `functions`).
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["nearest"]

_ALIKE: Final = 0.5
"""How much of two names is the same: enough where there are few names."""
_MOST: Final = 200
"""Names that are compared: a comparison takes about 10 us."""
_LONGEST: Final = 64
"""Characters of a name that is compared, or shown."""


def nearest(name: str, known: Iterable[str], alike: float = _ALIKE) -> str:
    """Return words with the known name that is most like this one; empty where none is."""
    lower = {each.lower(): each for each in sorted(known)[:_MOST] if len(each) <= _LONGEST}
    found = get_close_matches(name[:_LONGEST].lower(), lower, n=1, cutoff=alike)
    return f", did you mean {lower[found[0]]}?" if found else ""
