"""Shard slots: a fixed number of parts into which all accounts fall, so that several operators can share them.

An account's slot follows from its key alone and never changes. Objects bear it as a label, by which they are watched;
who works on an account is decided by the key, never by the label. A shard is some of the slots (the operator's
`domain.shard`), so the number of shards can change and no object must be labeled anew.

Belongs here: what webhook and operator must compute alike. Does not belong here: who holds which shard.
"""

from typing import Final

from talkdesk_crds.names import LABEL_SHARD_SLOT, digest

__all__ = ["SLOTS", "shard_slot", "slot_label"]

SLOTS: Final = 64
"""It is part of the API: another number would give nearly every account another slot."""


def shard_slot(namespace: str, app: str, account_id: str) -> int:
    """Return the slot of an account of an app; with an empty account, that of the app itself."""
    return int(digest(namespace, app, account_id, length=8), 16) % SLOTS


def slot_label(namespace: str, app: str, account_id: str) -> dict[str, str]:
    """Return the label of an account's objects."""
    return {LABEL_SHARD_SLOT: str(shard_slot(namespace, app, account_id))}
