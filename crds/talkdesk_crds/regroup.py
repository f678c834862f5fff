"""Puts the API group of `names` into manifests: `python -m talkdesk_crds.regroup FOLDER`, or `make manifests`.

Manifests are written by hand and name the group in many places: apiVersions, RBAC, policies, labels, types of Secrets.
Which group they have now is read from the objects of our kinds in them, so nothing but the constant must be changed.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from talkdesk_crds import KINDS
from talkdesk_crds.names import GROUP

__all__ = ["group_in", "main", "regrouped"]

_OUR_KINDS = "|".join(kind.INFO.kind for kind in KINDS)
_HEAD = re.compile(rf"^apiVersion: ([^/\s]+)/\S+\nkind: (?:{_OUR_KINDS})$", re.MULTILINE)


def group_in(texts: Iterable[str]) -> str:
    """Return the one API group that objects of our kinds have in these texts; raise ValueError for none or several."""
    found = sorted({match.group(1) for text in texts for match in _HEAD.finditer(text)})
    if len(found) != 1:
        raise ValueError(f"objects of our kinds should have one API group, and have {found}")
    return found[0]


def regrouped(text: str, old: str, new: str) -> str:
    """Return the text with one API group in the place of another, wherever it stands as a whole name.

    `talkdeskapps.<group>` counts as well: CRDs are called so.
    """
    begins = "|".join([r"(?<![\w.-])", *(rf"(?<={kind.INFO.plural}\.)" for kind in KINDS)])
    return re.sub(rf"(?:{begins}){re.escape(old)}(?![\w-]|\.\w)", lambda _: new, text)


def main() -> None:
    """Rewrite the YAML files below the folder named on the command line that name another group."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(Path(sys.argv[1]).rglob("*.yaml"))}
    old = group_in(files.values())
    for path, text in files.items():
        new = regrouped(text, old, GROUP)
        if new != text:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
