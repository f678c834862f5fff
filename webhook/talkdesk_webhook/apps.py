"""The TalkdeskApp that an event is addressed to, read from the cluster and cached for a few seconds.

Belongs here: the read, and what the webhook needs of the object. Does not belong here: everything else in a
TalkdeskApp.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from pydantic import ValidationError

from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.app import AppSpec, Logout, SignatureVerification, TalkdeskApp
from talkdesk_crds.hosts import ForeignHostError, HostAllowList
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket

__all__ = ["Apps", "KnownApp", "KubeReader"]

_BUDGET: Final = (20.0, 200)
"""Reads of apps that were not there before: enough for a start with many apps, little for the API server."""
_SIZE: Final = 1024
_NO_TEMPLATE: Final = {"serviceAccountName": "none", "steps": [{"name": "none", "manifests": [{}]}]}


class KubeReader(Protocol):
    """What is needed of talkdesk_runtime.kube.Kube."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Make a request; raises KubeError."""


@dataclass(frozen=True, slots=True)
class KnownApp:
    """What the webhook needs of a TalkdeskApp."""

    namespace: str
    name: str
    app_id: str
    verify_signatures: bool
    hosts: HostAllowList
    logout: Logout | None = None


class Apps:
    """The TalkdeskApps of the cluster, by namespace and name."""

    def __init__(
        self,
        kube: KubeReader,
        fresh_for: timedelta,
        *,
        clock: Clock | None = None,
        allow_insecure: bool = False,
    ) -> None:
        """Take whether apps may allow plain http."""
        self._kube = kube
        self._allow_insecure = allow_insecure
        self._fresh_for = fresh_for.total_seconds()
        self._lookups = LookupCache(
            self._read,
            size=_SIZE,
            budget=TokenBucket(*_BUDGET),
            asked_again=TokenBucket(*_BUDGET),
            clock=clock or Clock.system(),
        )

    async def get(self, namespace: str, name: str) -> KnownApp | None:
        """Return the app, or None when there is none; raises LookupFailed when it can't be read or understood.

        A change of an app is seen within `fresh_for`. While the app can't be read, no old value is used in its place:
        the event could not be stored either.
        """
        return await self._lookups.get((namespace, name))

    async def _read(self, key: tuple[str, str]) -> Loaded[KnownApp]:
        namespace, name = key
        path = resource_path(GROUP, VERSION, TalkdeskApp.INFO.plural, namespace, name)
        try:
            app = TalkdeskApp.read(_without_template(await self._kube.request("GET", path)))
            known = _known(namespace, name, app.spec, allow_insecure=self._allow_insecure)
        except KubeNotFound:
            return Loaded(None, self._fresh_for)
        except KubeError as error:
            raise LookupFailed(f"the TalkdeskApp can't be read: {error}") from None
        except ForeignHostError as error:
            raise LookupFailed(f"the TalkdeskApp's endpoints can't be used: {error}") from None
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
            raise LookupFailed(f"the TalkdeskApp is not understood at {where}") from None
        return Loaded(known, self._fresh_for)


def _without_template(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the object with a template that holds nothing: whatever is in it, events of the app are taken."""
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return raw
    return {**raw, "spec": {**spec, "tenant": _NO_TEMPLATE}}


def _known(namespace: str, name: str, spec: AppSpec, *, allow_insecure: bool) -> KnownApp:
    required = spec.events.signature_verification is SignatureVerification.REQUIRED
    hosts, logout = allowed_hosts(spec, allow_insecure=allow_insecure), spec.logout
    if logout is not None and not allow_insecure:
        logout = logout.model_copy(update={"allow_insecure": False})
    return KnownApp(namespace, name, spec.app_id, required, hosts, logout)
