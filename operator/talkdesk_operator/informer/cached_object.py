"""An object of our kinds in the cache: a model, or a note of why it can't be read.

Belongs here: reading one object, and what can be asked of one alone. Does not belong here: how objects belong together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Final, TypeAlias

from pydantic import ValidationError

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import (
    ANNOTATION_CONFIRM_DELETION,
    ANNOTATION_KEEP_SERVICES,
    ANNOTATION_KEEP_USERS,
    ANNOTATION_RECONCILE,
    FIELD_MANAGER,
)
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Unreadable

__all__ = [
    "KINDS",
    "CachedObject",
    "Change",
    "ObjectKey",
    "is_deleted",
    "is_own_backoff",
    "key_of",
    "newer",
    "newly_in_turn",
    "object_key_of",
    "raw_version",
    "read_object",
    "slim",
    "unreadable",
    "written_by_others",
]

KINDS: Final = (TalkdeskApp, TalkdeskInstallation, TalkdeskTenant)
"""The kinds in the cache."""

_READ: Final = {kind.INFO.kind: kind.read for kind in KINDS}
_PROBLEMS_NAMED: Final = 3


CachedObject: TypeAlias = TalkdeskApp | TalkdeskInstallation | TalkdeskTenant | Unreadable
ObjectKey: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What a version of an object changed in the cache."""

    changed: bool = False
    """False for a version that was there already, or older than the one that was."""
    keys: frozenset[AccountKey] = frozenset()
    """The accounts that must be reconciled; for an app, itself and its accounts. None for our report of a failure."""
    woken: frozenset[AccountKey] = frozenset()
    """The accounts whose turn in a rollout has come, by an app's status; they are among `keys` if a watch showed it."""
    by_others: bool = False
    """The answer to a write of ours showed what somebody else had changed before it. The watch will not show that."""


def slim(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without its managedFields, which are half of it and are not read here."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "metadata": metadata}


def read_object(raw: dict[str, Any], object_key: ObjectKey) -> CachedObject:
    """Return an object as a model, or as Unreadable. Raises KeyError for another kind, and nothing else."""
    read: Callable[[dict[str, Any]], CachedObject] = _READ[object_key[0]]
    try:
        return read(raw)
    except ValidationError as error:
        return unreadable(raw, object_key, _describe(error))
    except Exception as error:  # noqa: BLE001 - whatever one object holds, the others are read
        return unreadable(raw, object_key, f"reading it ends in {type(error).__name__}")


def unreadable(raw: Mapping[str, Any], object_key: ObjectKey, reason: str) -> Unreadable:
    """Return the note of why an object can't be read."""
    return Unreadable(
        *object_key,
        uid=raw["metadata"].get("uid", ""),
        version=raw["metadata"].get("resourceVersion", ""),
        reason=reason,
        key=_key_of_raw(raw, object_key),
        reported=_reported(raw),
    )


def _reported(raw: Mapping[str, Any]) -> str:
    """Return what was reported of an object that can't be read, in which anything may be wrong."""
    match raw.get("status"):
        case {"conditions": [*conditions]}:
            for condition in conditions:
                match condition:
                    case {"type": ConditionType.READY, "reason": Reason.INVALID_SPEC, "message": str(message)}:
                        return message
                    case _:
                        pass
        case _:
            pass
    return ""


def _key_of_raw(raw: Mapping[str, Any], object_key: ObjectKey) -> AccountKey | None:
    kind, namespace, _ = object_key
    match raw.get("spec"):
        case {"appRef": {"name": str(app)}, "accountId": str(account_id)} if kind != TalkdeskApp.INFO.kind:
            return AccountKey(namespace, app, account_id) if account_id else None
    return None


def key_of(cached: CachedObject) -> AccountKey | None:
    """Return the account that an object belongs to; None for an app, and where it can't be read."""
    match cached:
        case TalkdeskInstallation() | TalkdeskTenant():
            return AccountKey(cached.metadata.namespace, cached.spec.app_ref.name, cached.spec.account_id)
        case Unreadable():
            return cached.key
        case TalkdeskApp():
            return None


def object_key_of(raw: Mapping[str, Any]) -> ObjectKey:
    """Return the kind, namespace and name of an object as the API server gave it."""
    metadata = raw["metadata"]
    return intern(raw["kind"]), intern(metadata.get("namespace", "")), metadata["name"]


def is_deleted(raw: Mapping[str, Any]) -> bool:
    """Return whether the object is deleted with this version: its last finalizer was removed."""
    metadata = raw["metadata"]
    return bool(metadata.get("deletionTimestamp")) and not metadata.get("finalizers")


def written_by_others(cached: CachedObject) -> tuple[Any, ...]:
    """Return what others than the operator write of an object."""
    match cached:
        case TalkdeskApp() | TalkdeskInstallation():
            return cached.spec, *_asked_by_anybody(cached)
        case TalkdeskTenant(spec=spec):
            released = tuple(map(cached.metadata.annotations.get, (ANNOTATION_KEEP_USERS, ANNOTATION_KEEP_SERVICES)))
            persons = spec.values, spec.revision, spec.deletion_protection, spec.paused, spec.purge
            return *persons, released, *_asked_by_anybody(cached)
        case Unreadable():
            return (cached.reason,)


def newly_in_turn(before: CachedObject, after: CachedObject) -> frozenset[tuple[str, str]]:
    """Return namespace and name of the tenants whose turn it is by this version of an app, and was not before.

    A turn is for one revision: whoever is next for another one is so anew.
    """

    def turns(cached: CachedObject) -> frozenset[tuple[str | None, str, str]]:
        if not isinstance(cached, TalkdeskApp) or cached.status.rollout is None:
            return frozenset()
        revision, namespace = cached.status.updated_revision, cached.metadata.namespace
        return frozenset((revision, namespace, name) for name in cached.status.rollout.wave)

    return frozenset((namespace, name) for _, namespace, name in turns(after) - turns(before))


def is_own_backoff(raw: Mapping[str, Any], before: CachedObject, after: CachedObject) -> bool:
    """Return whether this version is the operator's own report of a failure, with the time of the next attempt.

    `before` and `after` are the version that was known and this one, in whose specs others have written the same.

    The newest of the managedFields says who wrote. Their times have whole seconds: where somebody else wrote the status
    in the same second, or something new in the metadata, it is not said to be the operator's; that the webhook made the
    object in it doesn't matter. They do not show who took fields away, so a status without a back-off, which somebody
    may have emptied, never counts.
    """
    found = raw["metadata"].get("managedFields")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    if _metadata(before) == _metadata(after):
        entries = [entry for entry in entries if entry.get("subresource") == "status"]
    newest = max((str(entry.get("time", "")) for entry in entries), default="")
    ours = [entry.get("manager") == FIELD_MANAGER for entry in entries if entry.get("time", "") == newest]
    return bool((raw.get("status") or {}).get("retry")) and bool(newest) and all(ours)


def _metadata(cached: CachedObject) -> object:
    """Return what anybody may write beside spec and status; where the object can't be read, what equals nothing."""
    if isinstance(cached, Unreadable):
        return object()
    metadata = cached.metadata
    return metadata.labels, metadata.annotations, metadata.finalizers, metadata.deletion_timestamp


def _asked_by_anybody(cached: CustomResource) -> tuple[Any, ...]:
    """Return what the metadata of an object asks for, whoever wrote it: a resync, deletions at once, its own."""
    annotations = cached.metadata.annotations
    return annotations.get(ANNOTATION_RECONCILE), _confirmed(cached), cached.metadata.deletion_timestamp


def _confirmed(cached: CustomResource) -> str | None:
    """Return the generation of an app whose deletions a person confirmed."""
    return cached.metadata.annotations.get(ANNOTATION_CONFIRM_DELETION) if isinstance(cached, TalkdeskApp) else None


def raw_version(raw: Mapping[str, Any]) -> str:
    """Return the resourceVersion of an object as the API server gave it."""
    return str(raw["metadata"].get("resourceVersion", ""))


def newer(version: str, than: str) -> bool:
    """Return whether a version comes after another."""
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    named = [f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in problems[:_PROBLEMS_NAMED]]
    more = len(problems) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")
