"""What one credential asked of the API server, and when, by the audit log of a control plane of a test's own.

Two replicas of the operator are one ServiceAccount, so each gets a token of its own: the log names its id.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from builders.rbac import AUDIT_POLICY
from talkdesk_sandbox.controlplane import Audit, Cluster, ControlPlane, find_programs

__all__ = ["Asked", "AuditLog", "Credential", "audited_cluster"]

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. The log has it before it is answered; a watch has a line at its begin and one at its end."""

    began: datetime
    """When the API server had it."""
    ended: datetime
    verb: str
    resource: str
    """Plural and subresource; empty for paths that are none."""
    uri: str

    @property
    def is_write(self) -> bool:
        """Return whether it changes anything but a Lease."""
        return self.verb in _WRITES and self.resource != "leases"


@dataclass(frozen=True)
class Credential:
    """A token of a ServiceAccount in a kubeconfig of its own."""

    kubeconfig: Path
    token_id: str

    @classmethod
    def make(cls, cluster: Cluster, namespace: str, account: str, path: Path) -> "Credential":
        path.write_text(cluster.kubeconfig_for(namespace, account).read_text())
        payload = json.loads(path.read_text())["users"][0]["user"]["token"].split(".")[1]
        return cls(path, json.loads(urlsafe_b64decode(payload + "=="))["jti"])


@dataclass(frozen=True)
class AuditLog:
    """A file that an API server writes."""

    path: Path

    def asked_by(self, credential: Credential) -> list[Asked]:
        """Return all that it asked, in the order in which it came to the API server."""
        events = map(json.loads, self.path.read_text().splitlines())
        asked = [_asked(event) for event in events if f"JTI={credential.token_id}" in _credentials(event)]
        return sorted(asked, key=lambda each: each.began)

    def writes_of(self, credential: Credential) -> list[Asked]:
        """Return what it changed, or tried to; Leases apart."""
        return [each for each in self.asked_by(credential) if each.is_write]


@contextmanager
def audited_cluster(folder: Path) -> Iterator[tuple[Cluster, AuditLog]]:
    """Run a control plane that writes down what ServiceAccounts do."""
    audit = Audit(folder / "policy.json", folder / "log")
    audit.policy.write_text(json.dumps(AUDIT_POLICY))
    with ControlPlane(find_programs(), audit=audit) as cluster:
        yield cluster, AuditLog(audit.log)


def _credentials(event: dict[str, Any]) -> list[str]:
    found: list[str] = event["user"].get("extra", {}).get("authentication.kubernetes.io/credential-id", [])
    return found


def _asked(event: dict[str, Any]) -> Asked:
    place = event.get("objectRef", {})
    parts = (place.get("resource"), place.get("subresource"))
    return Asked(
        datetime.fromisoformat(event["requestReceivedTimestamp"]),
        datetime.fromisoformat(event["stageTimestamp"]),
        event["verb"],
        "/".join(part for part in parts if part),
        event["requestURI"],
    )
