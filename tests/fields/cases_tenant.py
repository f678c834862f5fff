"""What is expected of each field of a TalkdeskTenant."""

from typing import Final

from builders.stack import INSTALLATION, TENANT
from fields.effects import MENDED, NOTHING, Case, Effect, Said, objects, refused, said

__all__ = ["TENANT_CASES"]

_SAME: Final = Case(refused("can't be changed"))
_PAUSED: Final = said(Said(INSTALLATION, "Ready", "^False Paused: .*spec.paused of the TalkdeskTenant"))
"""The record of a tenant that is left alone is left alone, too."""
_IN_USE: Final = refused("only an offboarded tenant can be purged")


def _ready(words: str) -> Effect:
    return said(Said(TENANT, "Ready", words))


TENANT_CASES: Final[dict[str, Case]] = {
    "appRef": Case(NOTHING),
    "appRef.name": _SAME,
    "accountId": _SAME,
    "installationRef": Case(MENDED),
    "installationRef.name": Case(MENDED),
    "state": Case(MENDED),
    "name": Case(refused("can't be changed any more")),
    "values": Case(
        NOTHING,
        {"nested 101": _ready("^False InvalidSpec: .*values")},
        {"another color": ({"color": "red"}, objects(r"ConfigMap settings\.data\.color"))},
    ),
    "deletionProtection": Case(Effect(may=r"\.orphanedObjects\[[^]]+\]\.reason$|conditions\.PruneHeld$")),
    "purge": Case(NOTHING, {}, {"asked for": ({"requestedBy": "admin"}, _IN_USE)}),
    "purge.requestedBy": Case(_IN_USE),
    "revision": Case(_ready("revision")),
    "paused": Case(_PAUSED, {"false": NOTHING, "removed": NOTHING, "null": NOTHING}),
    "objects": Case(MENDED),
    "objects[]": Case(MENDED),
    "objects[].step": Case(MENDED),
    "objects[].group": Case(MENDED),
    "objects[].version": Case(MENDED),
    "objects[].kind": Case(MENDED),
    "objects[].namespace": Case(MENDED),
    "objects[].name": Case(MENDED),
    "objects[].onOffboard": Case(MENDED),
    "objects[].onRemove": Case(MENDED),
    "uninstallTime": Case(MENDED),
}
