"""Rewrite a rendered object so that server-side apply owns every field that comes of it.

An apply takes away what an earlier one set, if our field manager owns it. Some fields are conveniences that the API
server copies into others, which nobody owns then: a key of a Secret that was once in `stringData` stays in `data` for
ever, and a pod template without its `serviceAccountName` runs on as `serviceAccount`, the old name of the same field.

Belongs here: such fields, and what is written in their place. Does not belong here: keys that such a field has left
before (`adapters.kubernetes.leftovers`).
"""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from talkdesk_operator.templates.errors import RenderError, child

__all__ = ["own_fields"]

_POD_TEMPLATE: Final = ("spec", "template", "spec")
_POD_SPECS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = MappingProxyType(
    {
        ("", "Pod"): ("spec",),
        ("", "PodTemplate"): ("template", "spec"),
        ("", "ReplicationController"): _POD_TEMPLATE,
        ("apps", "DaemonSet"): _POD_TEMPLATE,
        ("apps", "Deployment"): _POD_TEMPLATE,
        ("apps", "ReplicaSet"): _POD_TEMPLATE,
        ("apps", "StatefulSet"): _POD_TEMPLATE,
        ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
        ("batch", "Job"): _POD_TEMPLATE,
    }
)
"""Where a kind has the spec of its pods."""
_SERVICE_ACCOUNT: Final = ("serviceAccountName", "serviceAccount")


def own_fields(rendered: dict[str, Any], path: str) -> None:
    """Rewrite an object in place. Raises RenderError, with a path below `path`, for a text of a Secret that is none."""
    kind = rendered["apiVersion"].rpartition("/")[0], rendered["kind"]
    if kind == ("", "Secret"):
        _own_data(rendered, path)
    elif kind in _POD_SPECS:
        _own_service_account(rendered, _POD_SPECS[kind])


def _own_data(secret: dict[str, Any], path: str) -> None:
    """Put the texts of `stringData` into `data`, over what is there, as the API server does."""
    texts = secret.pop("stringData", None)
    if texts is None:
        return
    where = child(path, "stringData")
    if not isinstance(texts, Mapping):
        raise RenderError(where, "must be a map of strings")
    encoded = {key: _encoded(value, child(where, key)) for key, value in texts.items()}
    data = secret.get("data")
    if data is not None and not isinstance(data, Mapping):
        raise RenderError(child(path, "data"), "must be a map of strings")
    if encoded:
        secret["data"] = {**(data or {}), **encoded}


def _encoded(value: object, path: str) -> str:
    """Return a text as base64; null is the empty text, as for the API server."""
    match value:
        case None:
            return ""
        case str():
            try:
                return base64.b64encode(value.encode()).decode()
            except UnicodeEncodeError:
                reason = "holds half of a character (a lone surrogate)"
        case _:
            reason = "must be a string: write ${string(...)}, or quotes around the value"
    raise RenderError(path, reason)


def _own_service_account(rendered: dict[str, Any], place: tuple[str, ...]) -> None:
    """Write the name of the pods' service account under its old name, too."""
    spec: Any = rendered
    for key in place:
        spec = spec.get(key) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        return
    given = [spec[key] for key in _SERVICE_ACCOUNT if spec.get(key) is not None]
    if len(given) == 1:
        spec.update(dict.fromkeys(_SERVICE_ACCOUNT, given[0]))
