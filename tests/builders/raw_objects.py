"""Objects of our kinds as watches and listings show them: JSON, with all that the API server puts in."""

from typing import Any

from builders.objects import labeled
from talkdesk_crds.names import API_VERSION

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "facts", "namespace": "${tenant.name}"}}
TEMPLATE = {"serviceAccountName": "provisioner", "steps": [{"name": "base", "manifests": [MANIFEST]}]}


def app(name: str = "sentiment", **overrides: Any) -> dict[str, Any]:
    spec = {"appId": "app-1", "region": "US", "tenant": TEMPLATE} | overrides.pop("spec", {})
    return _object("TalkdeskApp", name, spec, **overrides)


def installation(name: str = "i1", *, account: str = "a1", app: str = "sentiment", **overrides: Any) -> dict[str, Any]:
    ids = {"installationId": name.removeprefix(f"{app}-"), "accountId": account}
    spec = {"appRef": {"name": app}} | ids | overrides.pop("spec", {})
    return _object("TalkdeskInstallation", name, spec, **overrides)


def request(kind: str = "Install", *, at: str = "2026-05-01T10:00:00Z", event: str = "e1") -> dict[str, Any]:
    return {"request": {"type": kind, "eventId": event, "eventTime": at}}


def tenant(
    name: str = "sentiment-a1", *, account: str = "a1", app: str = "sentiment", **overrides: Any
) -> dict[str, Any]:
    spec = {"appRef": {"name": app}, "accountId": account, "state": "Active"} | overrides.pop("spec", {})
    return _object("TalkdeskTenant", name, spec, **overrides)


def _object(
    kind: str,
    name: str,
    spec: dict[str, Any],
    *,
    version: str = "1",
    uid: str = "",
    namespace: str = "team",
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": labeled(
            {
                "name": name,
                "namespace": namespace,
                "uid": uid or f"uid-of-{kind}-{name}",
                "resourceVersion": version,
                "generation": 1,
                "managedFields": [{"manager": "kubectl"}],
                **metadata,
            },
            spec,
        ),
        "spec": spec,
        **({} if status is None else {"status": status}),
    }
