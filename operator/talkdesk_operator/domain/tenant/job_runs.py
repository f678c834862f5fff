"""Whether a Job of a template has done its work: it runs once for each change of what it is made of.

A Job that has completed may go: Kubernetes deletes it after `ttlSecondsAfterFinished`, or a person does. What it was
made of is on record then, and as long as the template says the same, it isn't made again. What can be changed in a Job
that exists, such as that time, changes nothing of what it does, so it does not count.

Belongs here: what counts, and what is recorded; pure. Does not belong here: when a Job is ready
(`templates.workload_readiness`), making one (`reconcilers.objects`).
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from talkdesk_crds.names import digest
from talkdesk_operator.templates.inventory import InventoryEntry
from talkdesk_operator.templates.object_status import is_true

__all__ = ["completed_inputs", "has_run"]

_JOB: Final = ("batch", "Job")
_CHANGEABLE: Final = frozenset(
    {
        "activeDeadlineSeconds",
        "backoffLimit",
        "maxFailedIndexes",
        "parallelism",
        "podReplacementPolicy",
        "suspend",
        "ttlSecondsAfterFinished",
    }
)
"""Members of the spec that the API server lets be changed in a Job that exists."""
_LENGTH: Final = 16


def completed_inputs(entry: InventoryEntry, manifest: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    """Return the fingerprint of what a Job that has completed was made of; empty for any other object."""
    return _inputs(manifest) if _is_job(entry) and is_true(live, "Complete") else ""


def has_run(entry: InventoryEntry, manifest: Mapping[str, Any]) -> bool:
    """Return whether the record of an object says that it is a Job that has completed with what it is made of now."""
    return bool(entry.completed_inputs) and _is_job(entry) and entry.completed_inputs == _inputs(manifest)


def _is_job(entry: InventoryEntry) -> bool:
    return (entry.group, entry.kind) == _JOB


def _inputs(manifest: Mapping[str, Any]) -> str:
    spec = manifest.get("spec")
    members = spec.items() if isinstance(spec, Mapping) else ()
    counted = {key: value for key, value in members if key not in _CHANGEABLE}
    return digest(orjson.dumps(counted, option=orjson.OPT_SORT_KEYS).decode(), length=_LENGTH)
