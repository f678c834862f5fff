"""The end of a test's namespace: nothing in it waits for an operator that has ended.

A namespace whose objects have finalizers of an operator that is gone is deleted again and again by the controller
manager, with everything in it. After some dozens of tests, that was half of what the API server did.
"""

import asyncio
from contextlib import suppress

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, GROUP, VERSION
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_runtime.kube import MERGE_PATCH, Kube, resource_path
from talkdesk_runtime.kube_errors import KubeError
from talkdesk_sandbox.controlplane import Cluster

_AT_ONCE = 8
_LET_GO = {"metadata": {"finalizers": None, "annotations": {ANNOTATION_CONFIRM_DELETION: "true"}}}


def delete_namespace(cluster: Cluster, name: str) -> None:
    """Begin to delete a namespace, which then nothing of ours holds up."""
    asyncio.run(_delete(cluster, name))


async def _delete(cluster: Cluster, name: str) -> None:
    bound = asyncio.Semaphore(_AT_ONCE)
    async with await Kube.connect(user_agent="tests", kubeconfig=cluster.kubeconfig) as kube:

        async def let_go(path: str) -> None:
            async with bound:
                with suppress(KubeError):  # it has gone by itself
                    await kube.request("PATCH", path, body=_LET_GO, content_type=MERGE_PATCH)

        for kind in (TalkdeskInstallation, TalkdeskTenant, TalkdeskApp):
            path = resource_path(GROUP, VERSION, kind.INFO.plural, name)
            with suppress(KubeError):  # this test had no such kind
                found = await kube.request("GET", path)
                held = [each["metadata"]["name"] for each in found["items"] if each["metadata"].get("finalizers")]
                await asyncio.gather(*(let_go(f"{path}/{each}") for each in held))
        with suppress(KubeError):
            await kube.request("DELETE", f"/api/v1/namespaces/{name}")
