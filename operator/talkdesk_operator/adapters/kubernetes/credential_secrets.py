"""The Secrets with an installation's credentials: which are its own, and reading and deleting them.

A Secret is an installation's own by its type, which nobody can change, and by the label with the installation's name.
A name in a spec proves nothing: whoever may write the spec could have any Secret read, used and deleted by it.

Belongs here: requests about such Secrets, and the read of one that an app names. Does not belong here: which of them
end or were replaced (`credential_versions`), for which hosts a named one may be used (`talkdesk_crds.secret_hosts`).
Errors are those of talkdesk_runtime.kube_errors.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import LABEL_INSTALLATION, SECRET_TYPE
from talkdesk_operator.adapters.kubernetes.credential_versions import (
    ended_versions,
    previous_versions,
    replaced_versions,
)
from talkdesk_operator.adapters.kubernetes.stored_versions import METADATA_ONLY, StoredVersions
from talkdesk_operator.domain.ports.cluster import ForeignSecret, NamedSecret
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound

__all__ = ["CredentialSecrets", "read_named"]


class CredentialSecrets:
    """Reads and deletes the Secrets of installations; every other Secret is left alone."""

    def __init__(self, kube: Kube, *, wrote: Callable[[str, str], object], now: Callable[[], datetime]) -> None:
        """Take a connection; `wrote` gets the kind and the verb of each write before it is made."""
        self._kube = kube
        self._stored = StoredVersions(kube, now)
        self._wrote = wrote

    async def read(
        self, installation: TalkdeskInstallation, name: str
    ) -> Mapping[str, SecretStr] | ForeignSecret | None:
        """Return the data of one of the installation's own Secrets; of any other nothing is returned but that."""
        try:
            secret = await self._kube.request("GET", _path(installation, name))
        except KubeNotFound:
            return None
        labels = secret["metadata"].get("labels") or {}
        if secret.get("type") != SECRET_TYPE:
            return ForeignSecret(f"its type is not {SECRET_TYPE}")
        if labels.get(LABEL_INSTALLATION) != installation.metadata.name:
            return ForeignSecret(f"its label {LABEL_INSTALLATION} is not {installation.metadata.name}")
        return _texts(secret)

    async def previous(self, installation: TalkdeskInstallation) -> Sequence[str]:
        """Return the names of the installation's Secrets but for the one that the spec names, newest first."""
        return previous_versions(installation.spec, await self._list(installation))

    async def delete_ended(self, installation: TalkdeskInstallation, *, sweep: bool) -> None:
        """Delete those that the installation's events brought; in a sweep only if any was seen lately.

        A version that is newer than the spec is left alone: its event is just being stored, for a new installation of
        the same id.
        """
        if sweep and not await self._stored.count(installation):
            return
        secrets = await self._list(installation)
        await self._delete(installation, secrets, ended_versions(installation.spec, secrets))

    async def delete_replaced(self, installation: TalkdeskInstallation, now: datetime, *, sweep: bool) -> None:
        """Delete those whose versions the one in the spec replaced; in a sweep only if another was seen lately."""
        if sweep and await self._stored.count(installation) <= 1:
            return
        secrets = await self._list(installation)
        await self._delete(installation, secrets, replaced_versions(installation.spec, secrets, now))

    async def _list(self, installation: TalkdeskInstallation) -> Sequence[Mapping[str, Any]]:
        """List the metadata of the installation's own Secrets."""
        query = {
            "labelSelector": f"{LABEL_INSTALLATION}={installation.metadata.name}",
            "fieldSelector": f"type={SECRET_TYPE}",
        }
        listing = await self._kube.request("GET", _path(installation), query=query, accept=METADATA_ONLY)
        # A list of metadata says null where other lists say [].
        return listing["items"] or ()

    async def _delete(
        self, installation: TalkdeskInstallation, listed: Sequence[Mapping[str, Any]], names: Sequence[str]
    ) -> None:
        """Delete exactly what was listed: a Secret that took the place of one since is somebody else's, a conflict."""
        uids = {secret["metadata"]["name"]: secret["metadata"]["uid"] for secret in listed}
        for name in names:
            self._wrote("Secret", "delete")
            with suppress(KubeNotFound):
                body = {"preconditions": {"uid": uids[name]}}
                await self._kube.request("DELETE", _path(installation, name), body=body)


async def read_named(kube: Kube, namespace: str, name: str) -> NamedSecret | None:
    """Read a Secret that an app names, of whatever type; None when there is none."""
    try:
        secret = await kube.request("GET", resource_path("", "v1", "secrets", namespace, name))
    except KubeNotFound:
        return None
    return NamedSecret(secret["metadata"], _texts(secret))


def _texts(secret: Mapping[str, Any]) -> Mapping[str, SecretStr]:
    """Return a Secret's data without the values that are no UTF-8 text."""
    texts = {key: _text(value) for key, value in (secret.get("data") or {}).items()}
    return {key: SecretStr(text) for key, text in texts.items() if text is not None}


def _path(installation: TalkdeskInstallation, name: str = "") -> str:
    return resource_path("", "v1", "secrets", installation.metadata.namespace, name)


def _text(value: object) -> str | None:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
