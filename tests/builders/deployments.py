"""A Deployment in a tenant's namespace, its status when it is ready, and the right to make one, or a Job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from builders.stack import Stack

DEPLOYMENT: Final[dict[str, Any]] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "${tenant.name}"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "example.com/web"}]},
        },
    },
}
READY: Final[dict[str, Any]] = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ],
}


@asynccontextmanager
async def may_deploy(talkdesk: Stack, resource: str = "deployments.apps") -> AsyncIterator[None]:
    """Let the provisioner make Deployments, or another kind, until the end of the block."""
    name, account = f"{resource}-{talkdesk.app}", f"{talkdesk.namespace}:tenant-provisioner"
    kubectl = talkdesk.platform.kubectl
    verbs = "get,list,watch,create,patch,delete"
    await kubectl("create", "clusterrole", name, f"--verb={verbs}", f"--resource={resource}")
    await kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={account}")
    yield
    await kubectl("delete", "clusterrole,clusterrolebinding", name)
