"""The writes of an install as a bare client makes them, which is the limit that the real programs are held against.

They are those of a real install: its objects are read back from the API server after our programs made them, and
written again under other ids, with the same verbs, query parameters, impersonation and service accounts. So they grow
and shrink with the real ones.

Belongs here: turning stored objects into requests. Does not belong here: sending them.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from benchmarks.customers import Install
from benchmarks.sending import Request
from benchmarks.stage import APP, LIMIT, WORK, Stage
from talkdesk_crds.names import FIELD_MANAGER, FIELD_MANAGER_WEBHOOK, GROUP, VERSION, installation_name, tenant_name
from talkdesk_runtime.kube import APPLY, JSON, JSON_PATCH, resource_path

__all__ = ["PLURALS", "BareWrites"]

_SERVERS: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
"""Metadata that the API server writes."""
PLURALS: Final = {
    "Namespace": "namespaces",
    "RoleBinding": "rolebindings",
    "ResourceQuota": "resourcequotas",
    "LimitRange": "limitranges",
    "NetworkPolicy": "networkpolicies",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
}
_PROVISIONER: Final = f"system:serviceaccount:{WORK}:tenant-provisioner"


class BareWrites:
    """Requests modelled on one install that is done."""

    def __init__(self, stage: Stage, pilot: Install) -> None:
        """Read the pilot's objects."""
        self._stage = stage
        self._pilot = pilot
        self._installation = self._read("talkdeskinstallation", installation_name(APP, pilot.installation_id))
        self._tenant = self._read("talkdesktenant", tenant_name(APP, pilot.account_id))
        self.of_webhook: Sequence[Request] = (self._secret(), self._create_installation())
        """The webhook's two."""
        self.of_tenant: Sequence[Request] = tuple(self._apply(item) for item in self._tenant["status"]["inventory"])
        """The tenant's own objects."""
        self.of_operator: Sequence[Request] = (
            self._create_tenant(),
            self._status("talkdesktenants", self._tenant),
            self._status("talkdeskinstallations", self._installation),
            self._event(),
        )
        """The operator's own: tenant, two statuses, one Event."""

    def two(self, count: int) -> list[list[Request]]:
        """Return the webhook's two writes for so many installs."""
        return [self._renamed(self.of_webhook) for _ in range(count)]

    def all(self, count: int) -> list[list[Request]]:
        """Return all writes for so many installs, in the order in which they happen."""
        tenant, *after = self.of_operator
        return [self._renamed((*self.of_webhook, tenant, *self.of_tenant, *after)) for _ in range(count)]

    def _renamed(self, requests: Sequence[Request]) -> list[Request]:
        account, installation = uuid.uuid4().hex, uuid.uuid4().hex

        def rename(text: str) -> str:
            return text.replace(self._pilot.account_id, account).replace(self._pilot.installation_id, installation)

        return [Request(r.method, rename(r.url), r.headers, rename(r.body)) for r in requests]

    def _read(self, *what: str, namespace: str = WORK) -> Any:
        return self._stage.get(*what, f"--namespace={namespace}")

    def _secret(self) -> Request:
        secret = self._read("secret", self._installation["spec"]["credentials"]["secretName"])
        path = resource_path("", "v1", "secrets", LIMIT)
        return self._request("POST", path, _bare(secret), {"fieldManager": FIELD_MANAGER_WEBHOOK}, who="webhook")

    def _create_installation(self) -> Request:
        path = resource_path(GROUP, VERSION, "talkdeskinstallations", LIMIT)
        query = {"fieldManager": FIELD_MANAGER_WEBHOOK, "fieldValidation": "Strict"}
        return self._request("POST", path, _bare(self._installation), query, who="webhook")

    def _create_tenant(self) -> Request:
        path = resource_path(GROUP, VERSION, "talkdesktenants", LIMIT)
        return self._request("POST", path, _bare(self._tenant), {"fieldManager": FIELD_MANAGER})

    def _status(self, plural: str, stored: dict[str, Any]) -> Request:
        path = f"{resource_path(GROUP, VERSION, plural, LIMIT, stored['metadata']['name'])}/status"
        body = [{"op": "add", "path": "/status", "value": stored["status"]}]
        return self._request("PATCH", path, body, {"fieldManager": FIELD_MANAGER}, content_type=JSON_PATCH)

    def _event(self) -> Request:
        name = self._installation["metadata"]["name"]
        events = self._read("events.events.k8s.io", f"--field-selector=regarding.name={name}")["items"]
        path = resource_path("events.k8s.io", "v1", "events", LIMIT)
        event = _bare(events[0])
        event["regarding"]["namespace"] = LIMIT
        return self._request("POST", path, event, {})

    def _apply(self, item: dict[str, str]) -> Request:
        namespace = item.get("namespace", "")
        plural = PLURALS[item["kind"]]
        stored = self._read(plural, item["name"], namespace=namespace or "default")
        body = _bare(stored, namespace=namespace)
        # Who applies names only what it wants: the API server's own additions would cost the limit, not us.
        body.get("spec", {}).pop("finalizers", None)
        body["metadata"].get("labels", {}).pop("kubernetes.io/metadata.name", None)
        path = resource_path(item.get("group", ""), item["version"], plural, namespace, item["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "false"}
        return self._request("PATCH", path, body, query, content_type=APPLY, impersonate=_PROVISIONER)

    def _request(
        self,
        method: str,
        path: str,
        body: Any,
        query: dict[str, str],
        *,
        who: str = "operator",
        content_type: str = JSON,
        impersonate: str = "",
    ) -> Request:
        headers = {
            "Authorization": f"Bearer {self._stage.tokens[who]}",
            "Accept": JSON,
            "Content-Type": content_type,
            "User-Agent": "bench-limit",
        }
        if impersonate:
            headers["Impersonate-User"] = impersonate
        return Request(method, f"{self._stage.api_url}{path}?{urlencode(query)}", headers, json.dumps(body))


def _bare(stored: dict[str, Any], *, namespace: str = LIMIT) -> dict[str, Any]:
    """Return an object as somebody would write it: without status and what the API server adds."""
    metadata = {name: value for name, value in stored["metadata"].items() if name not in _SERVERS}
    if "namespace" in metadata:
        metadata["namespace"] = namespace
    rest = {name: value for name, value in stored.items() if name not in {"metadata", "status"}}
    return json.loads(json.dumps({**rest, "metadata": metadata}))  # type: ignore[no-any-return]
