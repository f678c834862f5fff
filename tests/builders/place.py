"""A namespace with an app whose Talkdesk is the test's own gateway: events for it, and what is stored for them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders.events import Signer, event, installed, rotated, uninstalled
from builders.webhook_process import Gateway
from talkdesk_sandbox.controlplane import Cluster


@dataclass
class Place:
    """The namespace of one test, its gateway and its signing key."""

    cluster: Cluster
    namespace: str
    kubeconfig: Path
    gateway: Gateway
    signer: Signer

    def installed(self, data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
        return installed(data, **{"_links": self.gateway.links()} | overrides)

    def uninstalled(self, data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
        return uninstalled(data, **{"_links": self.gateway.links()} | overrides)

    def rotated(self, data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
        return rotated(data, **{"_links": self.gateway.links()} | overrides)

    def event(self, kind: str, data: dict[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
        return event(kind, data, **{"_links": self.gateway.links()} | overrides)

    def installation(self, name: str = "sentiment-5c1f0a9b") -> dict[str, Any]:
        text = self.cluster.kubectl(
            "get", "talkdeskinstallation", name, "-n", self.namespace, "-o", "json", "--show-managed-fields"
        )
        found: dict[str, Any] = json.loads(text)
        return found

    def installations(self) -> dict[str, dict[str, Any]]:
        return self._all("talkdeskinstallations")

    def secrets(self) -> dict[str, dict[str, Any]]:
        return self._all("secrets")

    def _all(self, resource: str) -> dict[str, dict[str, Any]]:
        items = json.loads(self.cluster.kubectl("get", resource, "-n", self.namespace, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}
