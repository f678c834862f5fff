"""The URL paths of kinds, from the API server's discovery, cached for each group and version.

Errors are those of talkdesk_runtime.kube_errors: KubeRefused for a kind that is not served, and for an object without
the namespace that its kind needs.
"""

from dataclasses import dataclass

from talkdesk_runtime.kube import Kube, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound, KubeRefused

__all__ = ["Resources"]


@dataclass(frozen=True, slots=True)
class _Resource:
    plural: str
    namespaced: bool


class Resources:
    """Cached discovery. A kind that was missing is looked up again, because its CRD may have been installed since."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[tuple[str, str], dict[str, _Resource]] = {}

    async def path(self, group: str, version: str, kind: str, namespace: str, name: str) -> str:
        """Return the URL path of an object."""
        resource = await self._resource(group, version, kind)
        if resource.namespaced and not namespace:
            raise KubeRefused(f"{kind} {name} needs metadata.namespace")
        return resource_path(group, version, resource.plural, namespace if resource.namespaced else "", name)

    async def collection(self, group: str, version: str, kind: str) -> str:
        """Return the URL path of all objects of a kind, in all namespaces."""
        return resource_path(group, version, (await self._resource(group, version, kind)).plural)

    async def _resource(self, group: str, version: str, kind: str) -> _Resource:
        known = self._known.get((group, version), {})
        if kind not in known:
            known = await self._discover(group, version)
            self._known[group, version] = known
        if kind not in known:
            raise KubeRefused(
                f"the API server has no kind {kind} in {group or 'core'}/{version}; is its CRD installed?"
            )
        return known[kind]

    async def _discover(self, group: str, version: str) -> dict[str, _Resource]:
        try:
            listing = await self._kube.request("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
        except KubeNotFound:
            return {}
        return {
            r["kind"]: _Resource(plural=r["name"], namespaced=bool(r["namespaced"]))
            for r in listing.get("resources", [])
            if "/" not in r["name"]
        }
