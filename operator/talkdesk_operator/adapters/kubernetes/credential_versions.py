"""Which of an installation's stored credential versions end with it, and which were replaced.

Belongs here: comparing versions by the metadata of their Secrets. Does not belong here: reading or deleting Secrets.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from talkdesk_crds.installation import Credentials, CredentialsOrigin, InstallationSpec
from talkdesk_crds.names import ANNOTATION_EVENT_ID, ANNOTATION_EVENT_TIME, ANNOTATION_ORIGIN

__all__ = ["ended_versions", "previous_versions", "replaced_versions"]

_DECIDED_AFTER: Final = timedelta(hours=1)
"""By then a version of the same instant has been stored completely, and the register shows which of them won."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def ended_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the Secrets to delete: the one that the spec names, and those that are not newer than it.

    `secrets` are the installation's own, and no other is ever named here. A newer version belongs to a new installation
    of the same id, whose event is just being stored, the Secret first. All times are Talkdesk's, so no other clock
    matters.
    """
    named = None if spec.credentials is None else spec.credentials.secret_name
    until = _last_event(spec)
    names = {str(secret["metadata"]["name"]): _issued_at(secret) for secret in secrets}
    return tuple(name for name, issued in names.items() if name == named or issued <= until)


def previous_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the Secrets with all versions but the one that the spec names, newest first."""
    named = spec.credentials.secret_name if spec.credentials is not None else None
    newest = sorted(secrets, key=_issued_at, reverse=True)
    return tuple(name for secret in newest if (name := str(secret["metadata"]["name"])) != named)


def replaced_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]], now: datetime) -> tuple[str, ...]:
    """Return the names of the Secrets whose versions the one in the spec replaced.

    Of the same instant, the register keeps the one that wins by its rule (`talkdesk_crds.order`). One that would win
    may just be being stored; an hour later it was not, and is replaced itself.
    """
    known = spec.credentials
    if known is None:
        return ()

    def is_replaced(secret: Mapping[str, Any]) -> bool:
        if (moment := _issued_at(secret)) != known.event_time:
            return moment < known.event_time
        return not _may_win(secret, known) or now - _created_at(secret) > _DECIDED_AFTER

    return tuple(
        name
        for secret in secrets
        if (name := str(secret["metadata"]["name"])) != known.secret_name and is_replaced(secret)
    )


def _may_win(secret: Mapping[str, Any], known: Credentials) -> bool:
    """Return whether a version of the same instant may still replace the one in the register, by its rule."""
    annotations = secret["metadata"].get("annotations") or {}
    event_id, origin = annotations.get(ANNOTATION_EVENT_ID), annotations.get(ANNOTATION_ORIGIN)
    if event_id is None or origin is None:
        return True
    rotated, known_rotated = origin == CredentialsOrigin.ROTATION, known.origin is CredentialsOrigin.ROTATION
    return bool(event_id > known.event_id) if rotated is known_rotated else rotated


def _created_at(secret: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(secret["metadata"]["creationTimestamp"])


def _last_event(spec: InstallationSpec) -> datetime:
    """Return the time of the newest event in the spec."""
    requested = spec.request.event_time if spec.request is not None else _LONG_AGO
    issued = spec.credentials.event_time if spec.credentials is not None else _LONG_AGO
    return max(requested, issued)


def _issued_at(secret: Mapping[str, Any]) -> datetime:
    """Return when a version was issued; long ago for one that somebody stored by hand."""
    try:
        moment = datetime.fromisoformat((secret["metadata"].get("annotations") or {})[ANNOTATION_EVENT_TIME])
    except (KeyError, ValueError):
        return _LONG_AGO
    return moment if moment.tzinfo is not None else _LONG_AGO
