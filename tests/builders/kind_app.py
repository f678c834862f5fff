"""An app in a kind cluster with a Talkdesk of its own, used as a person would: by kubectl and HTTP."""

import http.client
import json
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from talkdesk_crds.names import installation_name
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed
from talkdesk_sandbox.demo.sync_client import SentEvent, SyncClient
from talkdesk_sandbox.kind.api_proxy import ApiProxy
from talkdesk_sandbox.kind.cluster import KindCluster
from talkdesk_sandbox.kind.manifests import App

WITHIN = 120
"""Seconds for anything to happen in the cluster; one or two on an idle machine."""
_T = TypeVar("_T")


@dataclass
class KindApp:
    """An app, the cluster that it is in, and its simulator."""

    kind: KindCluster
    proxy: ApiProxy
    app: App
    simulator: SyncClient

    @property
    def cluster(self) -> Cluster:
        return self.kind.cluster

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl in the app's namespace."""
        return self.cluster.kubectl(f"--namespace={self.app.name}", *arguments, stdin=stdin)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "--output=json", *arguments))
        return found

    def wait(self, what: str, *options: str) -> None:
        """Wait as `kubectl wait --for=…` does."""
        self.kubectl("wait", f"--for={what}", f"--timeout={WITHIN}s", *options)

    def name_of(self, sent: SentEvent) -> str:
        """Return the name of a TalkdeskInstallation, with its kind, for kubectl."""
        return f"tdi/{installation_name(self.app.name, sent.installation_id)}"

    def until_done(self, sent: SentEvent, phase: str) -> dict[str, Any]:
        """Wait until an event is handled to the end; return its installation."""
        name = self.name_of(sent)
        eventually(lambda: self._spec_of(name), lambda spec: sent.event.id in spec)
        self.wait(f"jsonpath={{.status.phase}}={phase}", name)
        generation = self.get(name)["metadata"]["generation"]
        self.wait(f"jsonpath={{.status.observedGeneration}}={generation}", name)
        self.wait("condition=Reconciling=False", name)
        return self.get(name)

    def _spec_of(self, name: str) -> str:
        """Return the spec as text; empty while there is no such object, or nobody answers."""
        try:
            return json.dumps(self.get(name)["spec"])
        except KubectlFailed:
            return ""

    def tenant(self) -> "KindTenant":
        """Return the one tenant of the app."""
        (tenant,) = self.get("tdt")["items"]
        return KindTenant(self, tenant["metadata"]["name"], tenant["spec"]["name"])


@dataclass
class KindTenant:
    """A tenant of an app whose template has the workload of `manifests.workload_steps`."""

    of: KindApp
    name: str
    namespace: str

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the tenant's namespace."""
        return self.of.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return an object, or a list of them."""
        found: dict[str, Any] = json.loads(self.kubectl("get", "--output=json", *arguments))
        return found

    def record(self) -> dict[str, Any]:
        """Return the TalkdeskTenant."""
        return self.of.get(f"tdt/{self.name}")

    def key_id(self) -> str:
        """Return the id of the key in the tenant's Secret."""
        return b64decode(self.get("secret/talkdesk")["data"]["key_id"]).decode()

    def seen_by_pod(self) -> dict[str, Any]:
        """Return what the customer's app in its pod sees, asked through its Service."""
        url = self.of.proxy.service(self.namespace, "customer-app", "http")
        status, body = fetch(f"{url}/")
        assert status == http.HTTPStatus.OK, body
        seen: dict[str, Any] = json.loads(body)
        return seen

    def until_pod_sees(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask until the customer's app sees what it should; return that."""
        return eventually(self.seen_by_pod, condition)


def eventually(ask: Callable[[], _T], condition: Callable[[_T], bool], *, within: float = WITHIN) -> _T:
    """Ask again and again until a condition holds, for a limited time; return the answer."""
    end = time.monotonic() + within
    while not condition(answer := ask()):
        assert time.monotonic() < end, f"not within {within:.0f} s; the last answer was {answer!r}"
        time.sleep(0.2)
    return answer


def fetch(
    url: str, *, method: str = "GET", body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Send a request and return the status and the body of its answer."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=30)
    try:
        connection.request(method, where.path, None if body is None else body.encode(), headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
