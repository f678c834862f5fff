"""Records of what partners' services have of a tenant, in a Secret of the app's namespace.

Belongs here: name, labels and content of these Secrets. Does not belong here: what follows from a record
(domain/hooks). They are Secrets because services answer with passwords.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
import structlog

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import (
    COMPONENT_HOOKS,
    FIELD_MANAGER,
    HOOKS_TYPE,
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    LABEL_TENANT,
    MANAGED_BY,
)
from talkdesk_operator.domain.hooks.protocol import Act
from talkdesk_operator.domain.hooks.record import Existence, HookEntry, HookRecord, Result
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNotFound

__all__ = ["SecretHookRecordStore"]

_KEY: Final = "hooks.json"


class SecretHookRecordStore:
    """Implements talkdesk_operator.domain.hooks.record.HookRecordStore."""

    def __init__(self, kube: Kube, *, wrote: Callable[[str, str], object]) -> None:
        """Take a connection; `wrote` gets the kind and the verb of each write before it is made."""
        self._kube = kube
        self._wrote = wrote
        self._log = structlog.get_logger("talkdesk_operator.hooks")

    async def load(self, namespace: str, tenant: str) -> HookRecord | None:
        """Read the Secret."""
        try:
            secret = await self._kube.request("GET", _path(namespace, tenant))
        except KubeNotFound as error:
            if not error.named:
                raise  # the path leads nowhere, so services may be on record
            return None
        record = _read(secret)
        if record is None:
            self._log.warning("hook_record.unreadable", secret=_name(tenant), namespace=namespace)
        return record

    async def save(self, namespace: str, tenant: str, record: HookRecord) -> HookRecord:
        """Make the Secret, or replace the version that was read."""
        secret = _secret(namespace, tenant, record)
        query = {"fieldManager": FIELD_MANAGER}
        path = _path(namespace, tenant)
        try:
            if record.version:
                self._wrote("Secret", "apply")
                forced = {**query, "force": "true"}
                saved = await self._kube.request("PATCH", path, body=secret, content_type=APPLY, query=forced)
            else:
                self._wrote("Secret", "create")
                saved = await self._kube.request("POST", path.rpartition("/")[0], body=secret, query=query)
        except KubeAlreadyExists as error:
            raise KubeConflict(f"somebody else wrote the record of services: {error}") from None
        version = str(saved["metadata"].get("resourceVersion", ""))
        return HookRecord(record.id, record.entries, version)

    async def drop(self, namespace: str, tenant: str) -> None:
        """Delete the Secret, if it is one of ours."""
        path = _path(namespace, tenant)
        try:
            secret = await self._kube.request("GET", path)
            if secret.get("type") != HOOKS_TYPE:
                return
            self._wrote("Secret", "delete")
            await self._kube.request("DELETE", path, body={"preconditions": {"uid": secret["metadata"]["uid"]}})
        except KubeNotFound as error:
            if not error.named:
                raise


def _name(tenant: str) -> str:
    return f"{tenant}-hooks"


def _path(namespace: str, tenant: str) -> str:
    return resource_path("", "v1", "secrets", namespace, _name(tenant))


def _secret(namespace: str, tenant: str, record: HookRecord) -> dict[str, Any]:
    labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_TENANT: tenant, LABEL_COMPONENT: COMPONENT_HOOKS}
    content = {"id": record.id, "steps": {name: _written(entry) for name, entry in record.entries.items()}}
    metadata: dict[str, Any] = {"name": _name(tenant), "namespace": namespace, "labels": labels}
    if record.version:
        metadata["resourceVersion"] = record.version
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        # Somebody else's Secret of this name has another type, which the API server does not let us change.
        "type": HOOKS_TYPE,
        "metadata": metadata,
        "data": {_KEY: base64.b64encode(orjson.dumps(content)).decode()},
    }


def _written(entry: HookEntry) -> dict[str, Any]:
    return {
        "url": entry.url,
        "exists": entry.exists.value,
        "novel": entry.novel,
        "generation": entry.generation,
        "act": entry.act.value if entry.act is not None else None,
        "inputs": entry.inputs,
        "left": entry.left,
        "result": entry.result.value,
        "polledSince": to_wire_time(entry.polled_since) if entry.polled_since is not None else None,
        "operation": entry.operation,
        "message": entry.message,
        "outputs": dict(entry.outputs),
        "secrets": dict(entry.secrets),
        "settings": dict(entry.settings),
        "onOffboard": entry.on_offboard,
        "onRemove": entry.on_remove,
    }


def _read(secret: Mapping[str, Any]) -> HookRecord | None:
    """Return the record in a Secret; None when it is none of ours, or somebody broke its content."""
    if secret.get("type") != HOOKS_TYPE:
        return None
    try:
        content = orjson.loads(base64.b64decode((secret.get("data") or {})[_KEY], validate=True))
        entries = {str(name): _known(entry) for name, entry in content["steps"].items()}
        return HookRecord(str(content["id"]), entries, str(secret["metadata"].get("resourceVersion", "")))
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return None


def _known(entry: Mapping[str, Any]) -> HookEntry:
    since = entry["polledSince"]
    return HookEntry(
        url=entry["url"],
        exists=Existence(entry["exists"]),
        novel=entry["novel"] is True,
        generation=int(entry["generation"]),
        act=Act(entry["act"]) if entry["act"] is not None else None,
        inputs=entry["inputs"],
        left=entry.get("left") is True,
        result=Result(entry["result"]),
        polled_since=datetime.fromisoformat(since) if since is not None else None,
        operation=entry["operation"],
        message=entry["message"],
        outputs=dict(entry["outputs"]),
        secrets=dict(entry["secrets"]),
        settings=dict(entry["settings"]),
        on_offboard=entry["onOffboard"],
        on_remove=entry["onRemove"],
    )
