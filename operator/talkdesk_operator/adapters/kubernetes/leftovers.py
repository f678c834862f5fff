"""Keys of a Secret that nobody owns: what `stringData` of an earlier version of a template left in it.

Server-side apply does not know that the API server copied `stringData` into `data`. So a key that was taken out of the
template stays there, in nobody's name. Now that templates' texts are applied as `data`, no new ones come, but those of
before would stay for ever.

Belongs here: finding them in an object as an apply of ours left it, pure.
"""

from collections.abc import Mapping
from typing import Any

from talkdesk_crds.names import FIELD_MANAGER
from talkdesk_operator.templates.ignored_fields import ignored_fields

__all__ = ["leftover_keys"]


def leftover_keys(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys and values of a Secret that we did not apply and that nobody but us can have written.

    That is certain only where no other field manager has ever written the object. Elsewhere, and in an immutable
    Secret, there are none.
    """
    if (live.get("apiVersion"), live.get("kind")) != ("v1", "Secret") or live.get("immutable"):
        return {}
    if "resourceVersion" in manifest["metadata"]:
        return {}  # it was just made
    if ignored_fields(manifest):
        return {}  # what is left to others may be nobody's
    written = live.get("metadata", {}).get("managedFields") or ()
    if {(entry.get("manager"), entry.get("operation")) for entry in written} != {(FIELD_MANAGER, "Apply")}:
        return {}
    applied = manifest.get("data") or {}
    return {key: value for key, value in (live.get("data") or {}).items() if key not in applied}
