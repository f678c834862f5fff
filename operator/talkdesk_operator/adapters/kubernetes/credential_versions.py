"""Which of an installation's stored credential versions end with it, and which were replaced.

Belongs here: comparing versions by the metadata of their Secrets. Does not belong here: reading or deleting Secrets.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.names import ANNOTATION_EVENT_TIME

__all__ = ["ended_versions", "previous_versions", "replaced_versions"]

_DECIDED_AFTER: Final = timedelta(hours=1)
"""By then a version of the same instant has been stored completely, and the register shows which of them won."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def ended_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the Secrets to delete: the one that the spec names, and those that are not newer than it.

    `secrets` are all with the installation's label. A newer version belongs to a new installation of the same id, whose
    event is just being stored, the Secret first. All times are Talkdesk's, so no other clock matters.
    """
    named = () if spec.credentials is None else (spec.credentials.secret_name,)
    until = _last_event(spec)
    old = (str(secret["metadata"]["name"]) for secret in secrets if _issued_at(secret) <= until)
    return tuple(dict.fromkeys((*named, *old)))


def previous_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names of the Secrets with all versions but the one that the spec names, newest first."""
    named = spec.credentials.secret_name if spec.credentials is not None else None
    newest = sorted(secrets, key=_issued_at, reverse=True)
    return tuple(name for secret in newest if (name := str(secret["metadata"]["name"])) != named)


def replaced_versions(spec: InstallationSpec, secrets: Iterable[Mapping[str, Any]], now: datetime) -> tuple[str, ...]:
    """Return the names of the Secrets whose versions the one in the spec replaced.

    Another version of the same instant may just be being stored, and may replace the one in the spec. An hour later it
    did not, and was replaced itself.
    """
    if spec.credentials is None:
        return ()
    issued = spec.credentials.event_time

    def is_replaced(secret: Mapping[str, Any]) -> bool:
        if (moment := _issued_at(secret)) != issued:
            return moment < issued
        return now - _created_at(secret) > _DECIDED_AFTER

    return tuple(
        name
        for secret in secrets
        if (name := str(secret["metadata"]["name"])) != spec.credentials.secret_name and is_replaced(secret)
    )


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
