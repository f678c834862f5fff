"""Revisions of apps' templates as ControllerRevisions in the app's namespace: what kubectl and backups know already.

Belongs here: their form. Does not belong here: what a revision is (`domain.tenant.revision`), when one is made or
deleted (`reconcilers.rollouts`). The API server lets nobody change the content of one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import FIELD_MANAGER, LABEL_APP, LABEL_MANAGED_BY, MANAGED_BY
from talkdesk_operator.domain.ports.revisions import Revision
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeNotFound

__all__ = ["KubernetesRevisions"]

_KIND: Final = "ControllerRevision"
_TEMPLATE: Final = "tenant"
"""The member of `data` with the content, named as in the spec of an app."""


class KubernetesRevisions:
    """Implements talkdesk_operator.domain.ports.revisions.RevisionStore."""

    def __init__(self, kube: Kube, *, wrote: Callable[[str, str], object]) -> None:
        """Take a connection; `wrote` gets the kind and the verb of each write before it is made."""
        self._kube = kube
        self._wrote = wrote

    async def list(self, app: TalkdeskApp) -> Sequence[Revision]:
        """List by labels; what another app of that name left behind is not this one's."""
        query = {"labelSelector": ",".join(f"{name}={value}" for name, value in _labels(app).items())}
        listing = await self._kube.request("GET", _path(app), query=query)
        found = [_read(item) for item in listing["items"] or () if _is_of(item, app)]
        return sorted(found, key=lambda each: (each.number, each.name))

    async def read(self, app: TalkdeskApp, name: str) -> Mapping[str, Any] | None:
        """Read it by name."""
        try:
            return _read(await self._kube.request("GET", _path(app, name))).content
        except KubeNotFound:
            return None

    async def create(self, app: TalkdeskApp, revision: Revision) -> None:
        """Create it, owned by the app."""
        metadata = app.metadata
        owner = {
            **app.head(),
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": True,
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": _KIND,
            "metadata": {
                "name": revision.name,
                "namespace": metadata.namespace,
                "labels": _labels(app),
                "ownerReferences": [owner],
            },
            "revision": revision.number,
            "data": {_TEMPLATE: revision.content},
        }
        self._wrote(_KIND, "create")
        try:
            await self._kube.request("POST", _path(app), body=body, query={"fieldManager": FIELD_MANAGER})
        except KubeAlreadyExists:
            return

    async def delete(self, app: TalkdeskApp, revision: Revision) -> None:
        """Delete it by uid."""
        self._wrote(_KIND, "delete")
        try:
            body = {"preconditions": {"uid": revision.uid}}
            await self._kube.request("DELETE", _path(app, revision.name), body=body)
        except KubeNotFound:
            return


def _path(app: TalkdeskApp, name: str = "") -> str:
    return resource_path("apps", "v1", "controllerrevisions", app.metadata.namespace, name)


def _labels(app: TalkdeskApp) -> dict[str, str]:
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_APP: app.metadata.name}


def _is_of(raw: Mapping[str, Any], app: TalkdeskApp) -> bool:
    return any(owner.get("uid") == app.metadata.uid for owner in raw["metadata"].get("ownerReferences") or ())


def _read(raw: Mapping[str, Any]) -> Revision:
    data = raw.get("data")
    content = data.get(_TEMPLATE) if isinstance(data, dict) else None
    known = content if isinstance(content, dict) else {}
    return Revision(raw["metadata"]["name"], int(raw.get("revision") or 0), known, raw["metadata"].get("uid", ""))
