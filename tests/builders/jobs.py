"""A Job of a template, and what its controller and people do with it: nobody else runs Jobs on a bare API server."""

from typing import Any

from builders.serving import until
from builders.stack import Customer
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound

BEGAN, ENDED = "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"


def job(image: str = "migrate:1", **annotations: str) -> dict[str, Any]:
    """Return a manifest, with annotations of our group."""
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": image}]}}
    metadata: dict[str, Any] = {"name": "migrate", "namespace": "${tenant.name}"}
    if annotations:
        metadata["annotations"] = {f"appconnect.talkdesk.dev/{name}": value for name, value in annotations.items()}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": pod, "backoffLimit": 0}}


def _path(acme: Customer) -> str:
    return resource_path("batch", "v1", "jobs", acme.tenant_namespace, "migrate")


async def uid(acme: Customer) -> str:
    """Return the Job's uid; empty where there is none."""
    try:
        return str((await acme.stack.platform.kube.request("GET", _path(acme)))["metadata"]["uid"])
    except KubeNotFound:
        return ""


async def finish(acme: Customer, *, failed: bool = False) -> None:
    """Write what the Job's controller would."""
    kinds = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
    said = {"status": "True", "lastTransitionTime": ENDED, "reason": "Tested", "message": "the table is locked"}
    status: dict[str, Any] = {"startTime": BEGAN, "conditions": [{"type": kind, **said} for kind in kinds]}
    status |= {"failed": 1} if failed else {"completionTime": ENDED, "succeeded": 1}
    kube = acme.stack.platform.kube
    await kube.request("PATCH", f"{_path(acme)}/status", body={"status": status}, content_type=MERGE_PATCH)


async def delete(acme: Customer) -> None:
    """Delete it, as a person does, or Kubernetes when its time is over."""
    await acme.stack.platform.kube.request("DELETE", _path(acme), body={"propagationPolicy": "Background"})

    async def gone() -> bool:
        return not await uid(acme)

    await until(gone, within=10)
