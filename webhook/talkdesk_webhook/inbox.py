"""Storing an event in the cluster: at most three small writes, no lock, no memory.

Belongs here: which requests are made, and what their responses mean. Does not belong here: what is stored
(event_record, receive_times), HTTP and credentials for the API server (talkdesk_runtime).

The API server itself keeps the order: transition rules on each register refuse an older event, so any number of
replicas may store any event any number of times, in any order. A new install is created without looking. For anything
else the object is read first, by a patch that changes nothing (there is no right to get it), and written only if it is
still the one that was read:

* One that is being deleted takes nothing with it that was acknowledged: the event is delivered again.
* Registers that hold the event already are left alone, all of them: a duplicate. So the response says what became of an
  event under one field manager, and `managedFields` does not grow with deliveries.
* 422 names the registers that hold something newer; they are left out and the rest is written. What was read shows
  their event ids: another one is newer (stale), the same one had another content.

    InboxError
    ├── InboxUnavailable    not stored, or not known to be: deliver it again
    └── OtherAccount        never will be: the installation is known as another account's
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, Protocol

from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import (
    ANNOTATION_EVENT_ID,
    ANNOTATION_EVENT_TIME,
    ANNOTATION_ORIGIN,
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
from talkdesk_crds.shard_slots import slot_label
from talkdesk_runtime.kube import JSON, JSON_PATCH, resource_path
from talkdesk_runtime.kube_errors import (
    KubeAdmissionRefused,
    KubeAlreadyExists,
    KubeError,
    KubeInvalid,
    KubeNotFound,
    KubeTransient,
    KubeUnreachable,
)
from talkdesk_webhook import receive_times
from talkdesk_webhook.event_record import EventRecord, Register, SecretDraft

__all__ = ["Inbox", "InboxError", "InboxUnavailable", "KubeWriter", "OtherAccount", "Result"]

_REFUSER: Final = re.compile(r"(ValidatingAdmissionPolicy|admission webhook) ['\"]([-.a-z0-9]{1,253})['\"]")
"""Who refused an object. Only the name is passed on: what others write of an object may quote it."""
_ATTEMPTS: Final = 4
"""Create, or read and write, by turns, while others create, change and delete it; two are enough without that."""
_QUERY: Final = {"fieldManager": FIELD_MANAGER_WEBHOOK, "fieldValidation": "Strict"}
"""Strict: a field that the installed CRD doesn't know must fail, not vanish from an acknowledged event."""


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


class _ChangedMeanwhile(Exception):
    """The object is not the one that was read any more."""


class Inbox:
    """Where events are stored until the operator acts on them."""

    def __init__(self, kube: KubeWriter) -> None:
        self._kube = kube

    async def store(self, record: EventRecord) -> Result:
        """Store the event durably; raises InboxError. May be repeated and run anywhere at the same time."""
        try:
            known = record.secret is not None and not await self._store_secret(record, record.secret)
            # Credentials that are stored already came with an earlier delivery: the object will be there too.
            result = await self._store_registers(record, create=record.create_first and not known)
            if known and result is Result.STORED and record.secret is not None:
                # Nothing referred to them till now, so that the end of an earlier object may have taken them along.
                await self._store_secret(record, record.secret)
        except KubeTransient as error:
            raise InboxUnavailable("the API server can't take the event now", error.retry_after) from None
        except KubeInvalid as error:
            raise InboxUnavailable(f"the API server refused the event at {', '.join(error.fields)}") from None
        except KubeAdmissionRefused as error:
            named = _REFUSER.search(str(error))
            by = f"{named[1]} {named[2]}" if named is not None else "an admission plugin"
            raise InboxUnavailable(f"{by} refused the event") from None
        except KubeError as error:
            raise InboxUnavailable(f"the API server refused the event: {type(error).__name__}") from None
        return result

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
                "annotations": {
                    ANNOTATION_EVENT_TIME: to_wire_time(secret.event_time),
                    ANNOTATION_EVENT_ID: record.event_id,
                    ANNOTATION_ORIGIN: secret.origin.value,
                },
            },
            "type": SECRET_TYPE,
            "immutable": True,
            "stringData": secret.material,
        }
        path = resource_path("", "v1", "secrets", record.namespace)
        try:
            await self._send("POST", path, body, query={"fieldManager": FIELD_MANAGER_WEBHOOK})
        except KubeAlreadyExists:
            return False  # its name says that it holds these very credentials
        return True

    async def _store_registers(self, record: EventRecord, *, create: bool) -> Result:
        for _ in range(_ATTEMPTS):
            try:
                return await (self._create(record) if create else self._update(record))
            except KubeAlreadyExists:
                create = False
            except KubeNotFound:
                create = True
            except _ChangedMeanwhile:
                pass
        raise InboxUnavailable("the TalkdeskInstallation is created, changed and deleted again and again")

    async def _create(self, record: EventRecord) -> Result:
        metadata = {
            "name": record.name,
            "namespace": record.namespace,
            "labels": {LABEL_APP: dns_label(record.app), **slot_label(record.namespace, record.app, record.account_id)},
            "finalizers": [FINALIZER],
        }
        body = {
            **TalkdeskInstallation.head(),
            "metadata": metadata | receive_times.annotations(record),
            "spec": {
                "appRef": {"name": record.app},
                "installationId": record.installation_id,
                "accountId": record.account_id,
                **_fields(record.registers),
            },
        }
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, record.namespace)
        await self._send("POST", path, body)
        return Result.STORED

    async def _update(self, record: EventRecord) -> Result:
        stored = await self._patch(record, [])
        _check(record, stored)
        record = receive_times.settled(record, stored)
        spec = stored["spec"]
        registers = tuple(each for each in record.registers if any(spec.get(n) != v for n, v in each.fields.items()))
        if not registers:
            return Result.DUPLICATE
        refused = tuple[Register, ...]()
        while registers or record.time_is_receipt:
            try:
                await self._patch(record, [*receive_times.operations(record, stored), *_additions(registers)])
                break
            except KubeInvalid as error:
                if not error.fields:
                    raise _ChangedMeanwhile from None  # that is how the API server says that a test failed
                newly = tuple(register for register in registers if f"spec.{register.name}" in error.fields)
                if not newly:
                    raise
                refused += newly
                registers = tuple(register for register in registers if register not in newly)
        if any(spec.get(register.name, {}).get("eventId") == record.event_id for register in refused):
            return Result.CONFLICT
        return Result.STORED if registers else Result.STALE

    async def _patch(self, record: EventRecord, patch: list[dict[str, Any]]) -> dict[str, Any]:
        path = resource_path(GROUP, VERSION, TalkdeskInstallation.INFO.plural, record.namespace, record.name)
        return await self._send("PATCH", path, patch, content_type=JSON_PATCH)

    async def _send(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        content_type: str = JSON,
        query: Mapping[str, str] = _QUERY,
    ) -> dict[str, Any]:
        """Make a request, once more when its connection broke: whatever came of the first, the writes bear it."""
        again = partial(self._kube.request, method, path, body=body, content_type=content_type, query=query)
        try:
            return await again()
        except KubeUnreachable as error:
            if not error.broken:
                raise
        return await again()


def _check(record: EventRecord, stored: Mapping[str, Any]) -> None:
    """Raise InboxError unless the object that was read is the event's own and stays."""
    spec = stored["spec"]
    if "deletionTimestamp" in stored["metadata"]:
        raise InboxUnavailable("the TalkdeskInstallation is being deleted")
    if (spec["appRef"]["name"], spec["installationId"]) != (record.app, record.installation_id):
        raise InboxUnavailable("the TalkdeskInstallation of this name is another installation's")
    if spec["accountId"] != record.account_id:
        raise OtherAccount("the installation is known as another account's")


def _additions(registers: Iterable[Register]) -> list[dict[str, Any]]:
    fields = _fields(registers)
    return [{"op": "add", "path": f"/spec/{name}", "value": value} for name, value in fields.items()]


def _fields(registers: Iterable[Register]) -> dict[str, Any]:
    return {name: value for register in registers for name, value in register.fields.items()}
