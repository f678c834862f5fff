"""Storing an event in the cluster: at most three small writes, no read, no lock, no memory.

Belongs here: which requests are made, and what their responses mean. Does not belong here: what is stored
(event_record), HTTP and credentials for the API server (talkdesk_runtime).

The API server itself keeps the order: transition rules on each register refuse an older event, so any number of
replicas may store any event any number of times, in any order. What became of an event is known without a read before:

* A write under a field manager of its own that changed nothing leaves no trace of that manager: a duplicate. One that
  changed something shows in `managedFields`, which say which attempt wrote a register last.
* 422 names the registers that hold something newer; they are left out and the rest is written, perhaps an empty patch,
  whose response shows the event id of what is stored: another one is newer (stale), the same one had another content.

    InboxError
    ├── InboxUnavailable    not stored, or not known to be: deliver again
    └── OtherAccount        never will be: the installation is known as another account's
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import (
    ANNOTATION_EVENT_TIME,
    FIELD_MANAGER_WEBHOOK,
    FINALIZER,
    GROUP,
    LABEL_APP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    SECRET_TYPE,
    VERSION,
    dns_label,
)
from talkdesk_runtime.kube import JSON_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeError, KubeInvalid, KubeNotFound, KubeTransient
from talkdesk_webhook.event_record import EventRecord, Register, SecretDraft

__all__ = ["Inbox", "InboxError", "InboxUnavailable", "KubeWriter", "OtherAccount", "Result"]

_ATTEMPTS: Final = 4
"""Create and patch by turns, while somebody else deletes and creates the object; two are enough without that."""


class Result(StrEnum):
    """What became of an event; also the result in the response, and a metric's label."""

    STORED = "stored"
    """Something of it was new."""
    DUPLICATE = "duplicate"
    """All of it was stored already."""
    STALE = "stale"
    """What is stored is newer."""
    CONFLICT = "conflict"
    """What is stored has the same event id but another content, and is not older."""
    RELAYED = "relayed"
    """It was forwarded to the app's own endpoint."""
    IGNORED = "ignored"
    """It leaves nothing in the cluster."""


class InboxError(Exception):
    """The event was not stored; `str()` names no value of it."""


class InboxUnavailable(InboxError):
    """Deliver it again, after `retry_after` if the API server said so."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OtherAccount(InboxError):
    """The installation is known as another account's."""


class KubeWriter(Protocol):
    """What is needed of talkdesk_runtime.kube.Kube."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = ...,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Make a request; raises KubeError."""


@dataclass(frozen=True)
class _Attempt:
    """One attempt to store an event, with a name of its own."""

    record: EventRecord
    manager: str

    @property
    def query(self) -> dict[str, str]:
        # Strict: a field that the installed CRD doesn't know must fail, not vanish from an acknowledged event.
        return {"fieldManager": self.manager, "fieldValidation": "Strict"}

    def changed(self, stored: Mapping[str, Any]) -> bool:
        managers = stored.get("metadata", {}).get("managedFields", [])
        return any(entry.get("manager") == self.manager for entry in managers)


class Inbox:
    """Where events are stored until the operator acts on them."""

    def __init__(self, kube: KubeWriter) -> None:
        self._kube = kube

    async def store(self, record: EventRecord) -> Result:
        """Store the event durably; raises InboxError. May be repeated and run anywhere at the same time."""
        attempt = _Attempt(record, f"{FIELD_MANAGER_WEBHOOK}-{secrets.token_hex(6)}")
        try:
            known = record.secret is not None and not await self._store_secret(record, record.secret)
            # Credentials that are stored already came with an earlier delivery: the object will be there too.
            return await self._store_registers(attempt, create=record.create_first and not known)
        except KubeTransient as error:
            raise InboxUnavailable("the API server can't take the event now", error.retry_after) from None
        except KubeInvalid as error:
            raise InboxUnavailable(f"the API server refused the event at {', '.join(error.fields)}") from None
        except KubeError as error:
            raise InboxUnavailable(f"the API server refused the event: {type(error).__name__}") from None

    async def _store_secret(self, record: EventRecord, secret: SecretDraft) -> bool:
        """Return whether it is new."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": secret.name,
                "namespace": record.namespace,
                "labels": {
                    LABEL_MANAGED_BY: MANAGED_BY,
                    LABEL_APP: dns_label(record.app),
                    LABEL_INSTALLATION: record.name,
                },
                "annotations": {ANNOTATION_EVENT_TIME: to_wire_time(secret.event_time)},
            },
            "type": SECRET_TYPE,
            "immutable": True,
            "stringData": secret.material,
        }
        path = resource_path("", "v1", "secrets", record.namespace)
        try:
            await self._kube.request("POST", path, body=body, query={"fieldManager": FIELD_MANAGER_WEBHOOK})
        except KubeAlreadyExists:
            return False  # its name says that it holds these very credentials
        return True

    async def _store_registers(self, attempt: _Attempt, *, create: bool) -> Result:
        for _ in range(_ATTEMPTS):
            try:
                return await (self._create(attempt) if create else self._patch(attempt))
            except KubeAlreadyExists:
                create = False
            except KubeNotFound:
                create = True
        raise InboxUnavailable("the TalkdeskInstallation is created and deleted again and again")

    async def _create(self, attempt: _Attempt) -> Result:
        record = attempt.record
        body = {
            **TalkdeskInstallation.head(),
            "metadata": {
                "name": record.name,
                "namespace": record.namespace,
                "labels": {LABEL_APP: dns_label(record.app)},
                "finalizers": [FINALIZER],
            },
            "spec": {
                "appRef": {"name": record.app},
                "installationId": record.installation_id,
                "accountId": record.account_id,
                **_fields(record.registers),
            },
        }
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, record.namespace)
        await self._kube.request("POST", path, body=body, query=attempt.query)
        return Result.STORED

    async def _patch(self, attempt: _Attempt) -> Result:
        record = attempt.record
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, record.namespace, record.name)
        registers, refused = record.registers, tuple[Register, ...]()
        while True:
            # The account's id never changes: for any other one the API server refuses the whole patch.
            fields = {"accountId": record.account_id, **_fields(registers)}
            patch = [{"op": "add", "path": f"/spec/{name}", "value": value} for name, value in fields.items()]
            try:
                stored = await self._kube.request(
                    "PATCH", path, body=patch, content_type=JSON_PATCH, query=attempt.query
                )
            except KubeInvalid as error:
                if "spec.accountId" in error.fields:
                    raise OtherAccount("the installation is known as another account's") from None
                newly = tuple(register for register in registers if f"spec.{register.name}" in error.fields)
                if not newly:
                    raise
                refused += newly
                registers = tuple(register for register in registers if register not in newly)
            else:
                return _result(attempt, refused, stored)


def _fields(registers: Iterable[Register]) -> dict[str, Any]:
    return {name: value for register in registers for name, value in register.fields.items()}


def _result(attempt: _Attempt, refused: Iterable[Register], stored: Mapping[str, Any]) -> Result:
    spec = stored.get("spec", {})
    if any(spec.get(register.name, {}).get("eventId") == register.event_id for register in refused):
        return Result.CONFLICT
    if attempt.changed(stored):
        return Result.STORED
    return Result.STALE if refused else Result.DUPLICATE
