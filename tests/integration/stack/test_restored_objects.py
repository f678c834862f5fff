"""A backup is restored as docs/operations/backup.md says: objects come back with new uids and without status."""

from typing import Any

import pytest

from builders.stack import INSTALLATION, PLURALS, TENANT, Customer, Stack, Stacks
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(47)]
SERVERS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "finalizers")


def paths(acme: Customer) -> list[str]:
    """Return where the objects are that are lost and restored, in the order in which they come back."""
    space = acme.stack.namespace
    secret = acme.installation["spec"]["credentials"]["secretName"]
    return [
        resource_path("", "v1", "secrets", space, secret),
        resource_path(GROUP, VERSION, PLURALS[TENANT], space, acme.tenant_name),
        resource_path(GROUP, VERSION, PLURALS[INSTALLATION], space, acme.name),
        resource_path("", "v1", "configmaps", acme.tenant_namespace, "settings"),
    ]


async def lose(talkdesk: Stack, path: str) -> dict[str, Any]:
    """Take an object away by force; return what a backup has of it."""
    kube = talkdesk.platform.kube
    live: dict[str, Any] = await kube.request("GET", path)
    bare = {"metadata": {"finalizers": None, "annotations": {ANNOTATION_CONFIRM_DELETION: "true"}}}
    await kube.request("PATCH", path, body=bare, content_type=MERGE_PATCH)
    await kube.request("DELETE", path)
    metadata = {key: value for key, value in live["metadata"].items() if key not in SERVERS}
    return {key: value for key, value in live.items() if key != "status"} | {"metadata": metadata}


async def test_a_restored_customer_is_adopted_and_nothing_is_provisioned_or_answered_twice(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        platform = talkdesk.platform
        namespace, old = await acme.uid("Namespace"), await acme.uid("ConfigMap", "settings")
        before = acme.installation["metadata"]["uid"], (acme.tenant or {})["metadata"]["uid"]
        await platform.operator.terminate()
        saved = [(path, await lose(talkdesk, path)) for path in paths(acme)]
        for path, each in saved:
            await platform.kube.request("POST", path.rpartition("/")[0], body=each)
        restored = await acme.uid("ConfigMap", "settings")
        since = len(platform.gate.calls)

        await platform.start_operator()
        await acme.until(lambda obj: obj["metadata"]["uid"] != before[0] and obj.get("status"), "be restored")
        await acme.becomes("Active")

        assert acme.tenant is not None
        assert acme.tenant["metadata"]["uid"] != before[1]
        assert await acme.uid("Namespace") == namespace
        assert await acme.uid("ConfigMap", "settings") == restored != old
        assert acme.at_talkdesk.answers == ["approve:completed"]
        assert not [call for call in platform.gate.writes(since) if call.method == "DELETE"]

        # They are this tenant's again: what goes at an uninstall goes, and the rest is kept on record.
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert await acme.live("Secret", "talkdesk") is None
        assert acme.tenant is not None
        kept = {(item["kind"], item["uid"]) for item in acme.tenant["status"]["inventory"]}
        assert kept == {("Namespace", namespace), ("ConfigMap", restored)}
