"""The URL paths of kinds, from the API server's discovery, cached for each group and version.

A kind is applied in the version that its manifest names. What was applied once is found again in whichever version is
served now: versions come and go, and the objects stay. Only where the API server says that no version of the group has
the kind is it gone, and its objects with it. Whatever leaves that in doubt is an error: a discovery that fails, or a
version that is listed and not served, as while an aggregated API server is away.

Errors are those of talkdesk_runtime.kube_errors: KubeRefused for a kind that is not served, and for an object without
the namespace that its kind needs; KubeTransient for one with a namespace that its kind does not have.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from talkdesk_operator.domain.ports.cluster import ServedKind
from talkdesk_operator.templates.scopes import KindScopes
from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNoPath, KubeRefused, KubeTransient, KubeUnreachable

__all__ = ["Resources"]


@dataclass(frozen=True, slots=True)
class _Resource:
    version: str
    plural: str
    namespaced: bool


_Kinds: TypeAlias = dict[str, _Resource]


class Resources:
    """Cached discovery. What was missing is looked up again, because its CRD may have been installed since."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[tuple[str, str], _Kinds] = {}

    async def path(self, group: str, version: str, kind: str, namespace: str, name: str) -> str:
        """Return the URL path of an object in exactly this version.

        The namespace of an object outside all of them means nothing, and was to be taken off. Where it is there, the
        kind was not known when it was decided whether the object may be where it is: that is decided anew.
        """
        resource = await self._resource(group, version, kind)
        if resource.namespaced and not namespace:
            raise KubeRefused(f"{kind} {name} needs metadata.namespace")
        if namespace and not resource.namespaced:
            raise KubeTransient(f"{kind} {name} is outside all namespaces, which was not known before")
        return _path(group, resource, namespace, name)

    async def locate(self, group: str, version: str, kind: str, namespace: str, name: str) -> str | None:
        """Return the URL path of an object in any version that is served, this one first; None when the kind is gone.

        A kind that needs a namespace now has no object that was made without one.
        """
        resource = await self._served(group, version, kind)
        if resource is None or (resource.namespaced and not namespace):
            return None
        return _path(group, resource, namespace, name)

    async def locate_all(self, group: str, version: str, kind: str) -> str | None:
        """Return the URL path of all objects of a kind in any version that is served; None when the kind is gone."""
        resource = await self._served(group, version, kind)
        return None if resource is None else resource_path(group, resource.version, resource.plural)

    async def collection(self, group: str, version: str, kind: str) -> str:
        """Return the URL path of all objects of a kind, in all namespaces."""
        return resource_path(group, version, (await self._resource(group, version, kind)).plural)

    async def scopes(self, kinds: Collection[ServedKind]) -> KindScopes:
        """Return which of the kinds are in namespaces; one that is not served, or can't be asked for, is left out."""
        found = {}
        for group, version, kind in dict.fromkeys(kinds):
            with suppress(KubeError):
                resource = await self._served(group, version, kind)
                if resource is not None:
                    found[group, kind] = resource.namespaced
        return found

    def forget(self, group: str) -> None:
        """Read the kinds of a group anew the next time: a path that discovery gave leads nowhere."""
        for key in [key for key in self._known if key[0] == group]:
            del self._known[key]

    async def _resource(self, group: str, version: str, kind: str) -> _Resource:
        found = await self._served(group, version, kind)
        if found is None:
            raise KubeRefused(f"the API server has no kind {kind} in {_words(group, version)}; is its CRD installed?")
        if found.version != version:
            other = f"it serves {_words(group, found.version)}: write that as apiVersion"
            raise KubeRefused(f"the API server has no kind {kind} in {_words(group, version)}; {other}")
        return found

    async def _served(self, group: str, version: str, kind: str) -> _Resource | None:
        """Return the kind in this version, else in another that is served; None when it is in none of them."""
        own = await self._kinds(group, version, kind)
        if own is not None and kind in own:
            return own[kind]
        for other in await self._versions(group):
            kinds = own if other == version else await self._kinds(group, other, kind)
            if kinds is None:
                raise KubeUnreachable(f"the API server lists {_words(group, other)}, but does not serve it now")
            if kind in kinds:
                return kinds[kind]
        return None

    async def _kinds(self, group: str, version: str, wanted: str) -> _Kinds | None:
        """Return what a version has, read anew if the wanted kind was not in it; None when there is no such version."""
        known = self._known.get((group, version))
        if known is not None and wanted in known:
            return known
        try:
            listing = await self._kube.request("GET", _root(group, version))
        except KubeNoPath:
            self._known.pop((group, version), None)
            return None
        self._known[group, version] = {
            r["kind"]: _Resource(version, plural=r["name"], namespaced=bool(r["namespaced"]))
            for r in listing.get("resources") or ()
            if "/" not in r["name"]
        }
        return self._known[group, version]

    async def _versions(self, group: str) -> tuple[str, ...]:
        """Return the versions of a group, the preferred one first; none when there is no such group."""
        try:
            listing = await self._kube.request("GET", f"/apis/{group}" if group else "/api")
        except KubeNoPath:
            return ()
        versions = listing.get("versions") or ()
        return tuple(str(each["version"]) if isinstance(each, dict) else str(each) for each in versions)


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _path(group: str, resource: _Resource, namespace: str, name: str) -> str:
    return resource_path(group, resource.version, resource.plural, namespace if resource.namespaced else "", name)


def _words(group: str, version: str) -> str:
    return f"{group or 'core'}/{version}"
