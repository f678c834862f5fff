"""User records in Secrets of the app's namespace, one Secret for each piece.

Belongs here: names, labels and content of these Secrets. Does not belong here: what follows from a record
(domain/users), other Secrets (cluster.py).

They are Secrets, not ConfigMaps, because nobody but the operator needs to read ids of users. They hold ids and salted
digests, and no name or e-mail address.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
import structlog

from talkdesk_crds.names import (
    COMPONENT_USERS,
    FIELD_MANAGER,
    LABEL_COMPONENT,
    LABEL_MANAGED_BY,
    LABEL_TENANT,
    MANAGED_BY,
    USERS_TYPE,
)
from talkdesk_operator.domain.ports.scim import Ref
from talkdesk_operator.domain.users.record import CAPACITY, Piece, RecordedUser
from talkdesk_runtime.kube import APPLY, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeNotFound
from talkdesk_runtime.lru import LruMap

__all__ = ["SecretUserRecordStore"]

_KEY: Final = "users.json"
_REMEMBERED: Final = 10_000
"""Pieces whose versions are kept in memory: each is written soon after it was read."""
_ABSENT: Final = "absent"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class SecretUserRecordStore:
    """Implements talkdesk_operator.domain.users.record.UserRecordStore."""

    def __init__(self, kube: Kube, *, wrote: Callable[[str, str], object]) -> None:
        """Take a connection; `wrote` gets the kind and the verb of each write before it is made."""
        self._kube = kube
        self._wrote = wrote
        self._versions: LruMap[str, str] = LruMap(_REMEMBERED)
        self._log = structlog.get_logger("talkdesk_operator.users")

    async def load(self, namespace: str, tenant: str) -> tuple[Piece, ...]:
        """Read piece after piece; the first that is not full is the last, unless it says that it is continued."""
        pieces: list[Piece] = []
        while not pieces or pieces[-1].continued or len(pieces[-1].users) >= CAPACITY:
            path = _path(namespace, tenant, len(pieces))
            try:
                secret = await self._kube.request("GET", path)
            except KubeNotFound:
                self._versions.put(path, _ABSENT)
                break
            self._versions.put(path, str(secret["metadata"].get("resourceVersion", "")))
            piece = _read(secret)
            if piece is None:
                self._log.warning("user_record.unreadable", secret=_name(tenant, len(pieces)))
                break
            pieces.append(piece)
        return tuple(pieces)

    async def save(self, namespace: str, tenant: str, pieces: Mapping[int, Piece]) -> None:
        """Write one Secret for each piece, of the version that was loaded or written last.

        Raises KubeConflict when somebody else has written it since: a former leader's late write loses nobody.
        """
        for number, piece in pieces.items():
            path = _path(namespace, tenant, number)
            try:
                saved = await self._save(path, _secret(namespace, tenant, number, piece))
            except (KubeConflict, KubeAlreadyExists) as error:
                self._versions.pop(path)
                raise KubeConflict(f"somebody else wrote the record of users: {error}") from None
            self._versions.put(path, str(saved["metadata"].get("resourceVersion", "")))

    async def _save(self, path: str, secret: dict[str, Any]) -> dict[str, Any]:
        version = self._versions.peek(path)
        if version == _ABSENT:
            self._wrote("Secret", "create")
            query = {"fieldManager": FIELD_MANAGER}
            return await self._kube.request("POST", path.rpartition("/")[0], body=secret, query=query)
        if version:
            secret["metadata"]["resourceVersion"] = version
        self._wrote("Secret", "apply")
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._kube.request("PATCH", path, body=secret, content_type=APPLY, query=query)

    async def drop(self, namespace: str, tenant: str) -> None:
        """Delete all Secrets of our type with the tenant's labels, by uid."""
        labels = ",".join(f"{name}={value}" for name, value in _labels(tenant).items())
        path = resource_path("", "v1", "secrets", namespace)
        query = {"labelSelector": labels, "fieldSelector": f"type={USERS_TYPE}"}
        listing = await self._kube.request("GET", path, query=query, accept=_METADATA_ONLY)
        # A list of metadata says null where other lists say [].
        for secret in listing["items"] or ():
            self._wrote("Secret", "delete")
            with suppress(KubeNotFound):
                body = {"preconditions": {"uid": secret["metadata"]["uid"]}}
                await self._kube.request("DELETE", f"{path}/{secret['metadata']['name']}", body=body)


def _name(tenant: str, number: int) -> str:
    return f"{tenant}-users-{number}"


def _path(namespace: str, tenant: str, number: int) -> str:
    return resource_path("", "v1", "secrets", namespace, _name(tenant, number))


def _labels(tenant: str) -> dict[str, str]:
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_TENANT: tenant, LABEL_COMPONENT: COMPONENT_USERS}


def _secret(namespace: str, tenant: str, number: int, piece: Piece) -> dict[str, Any]:
    users = {user_id: _written(known) for user_id, known in piece.users.items()}
    continued = {"continued": True} if piece.continued else {}
    content = orjson.dumps({"service": piece.service, "salt": piece.salt, "users": users} | continued)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        # Somebody else's Secret of this name has another type, which the API server does not let us change.
        "type": USERS_TYPE,
        "metadata": {"name": _name(tenant, number), "namespace": namespace, "labels": _labels(tenant)},
        "data": {_KEY: base64.b64encode(content).decode()},
    }


def _written(known: RecordedUser) -> list[Any]:
    ref_id, version = (known.ref.id, known.ref.version) if known.ref is not None else (None, None)
    return [ref_id, version, known.sent, known.active, known.admin, known.failed_before]


def _read(secret: Mapping[str, Any]) -> Piece | None:
    """Return the piece in a Secret; None when somebody broke its content."""
    try:
        content = orjson.loads(base64.b64decode((secret.get("data") or {})[_KEY], validate=True))
        service, salt, users = content["service"], content["salt"], content["users"]
        continued = content.get("continued") is True
        known = {user_id: _known(entry) for user_id, entry in users.items()}
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return None
    if not (isinstance(service, str) and isinstance(salt, str) and salt):
        return None
    return Piece(service, salt, known, continued)


def _known(entry: list[Any]) -> RecordedUser:
    match entry:
        case [str() | None as ref_id, str() | None as version, str() as sent, *flags] if len(flags) == 3:
            active, admin, failed_before = flags
            ref = None if ref_id is None else Ref(ref_id, version)
            return RecordedUser(
                ref, sent, active is True, admin if isinstance(admin, bool) else None, failed_before is True
            )
        case _:
            raise ValueError("no entry of a record")
