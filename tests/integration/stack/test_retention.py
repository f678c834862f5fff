"""What is retained after an uninstall, for how long, and what a reinstall finds at each moment."""

import json

import pytest

from builders.conditions import message, reason
from builders.serving import until
from builders.stack import TENANT, Customer, Stacks

pytestmark = pytest.mark.asyncio(loop_scope="module")

BLOCKER = "tests.example.com/blocker"


@pytest.mark.case(40)
async def test_at_the_end_of_the_retention_only_a_record_without_personal_data_is_left(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install("acme-of-row-40")
        await acme.becomes("Active")

        await acme.uninstall(reason="Words of a person.")
        obj = await acme.becomes("Purged")

        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await acme.credential_secrets() == []
        text = json.dumps({key: value for key, value in obj.items() if key != "metadata"})
        assert "acme-of-row-40" not in text
        assert "Words of a person." not in text
        assert obj["spec"]["installationId"] == acme.installation_id
        assert obj["status"]["answer"]["deliveryTime"]


@pytest.mark.case(40)
async def test_a_protected_tenant_is_kept_until_the_protection_ends(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.patch({"op": "add", "path": "/spec/deletionProtection", "value": True}, kind=TENANT)

        await acme.uninstall()
        await acme.until(lambda obj: reason(obj, "Ready") == "Protected", "be protected")
        assert await acme.live("ConfigMap", "settings") is not None

        await acme.patch({"op": "replace", "path": "/spec/deletionProtection", "value": False}, kind=TENANT)
        await acme.becomes("Purged")
        assert await acme.live("Namespace") is None


@pytest.mark.case(37)
async def test_a_reinstall_after_the_purge_gets_a_new_tenant(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.uid("Namespace")
        await acme.uninstall()
        await acme.becomes("Purged")

        again = await acme.reinstall()
        await again.becomes("Active")

        assert await again.uid("Namespace") != before


@pytest.mark.case(37)
async def test_a_reinstall_waits_while_the_old_namespace_is_terminating(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.uid("Namespace")
        metadata = {"name": "foreign", "finalizers": [BLOCKER]}
        foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await talkdesk.platform.kubectl(
            "create", f"--namespace={acme.tenant_namespace}", "-f", "-", stdin=json.dumps(foreign)
        )
        await acme.uninstall()
        await until(lambda: _terminating(acme), within=90)

        again = await acme.reinstall()
        obj = await again.until(lambda obj: reason(obj, "TenantReady"), "try to create its tenant")
        assert obj["status"]["phase"] != "Active"

        await _unblock(acme, "configmap", "foreign")
        await again.becomes("Active", within=120)
        assert await again.uid("Namespace") != before


@pytest.mark.case(38)
async def test_a_reinstall_during_the_offboarding_ends_with_a_complete_tenant(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.uid("Namespace")
        await _block(acme, "secret", "talkdesk")
        await acme.uninstall()
        obj = await acme.until(lambda obj: BLOCKER in message(obj, "Ready"), "report the blocked deletion")
        assert reason(obj, "Ready") == "Offboarding"
        assert "Secret" in message(obj, "Ready")

        again = await acme.reinstall()
        await again.until(lambda obj: obj.get("status", {}).get("phase"), "be reconciled")
        await _unblock(acme, "secret", "talkdesk")
        await again.becomes("Active")
        await acme.becomes("Uninstalled")
        await until(lambda: _has_present_credentials(again), within=90)

        assert await again.uid("Namespace") == before


@pytest.mark.case(52)
async def test_objects_whose_deletion_is_blocked_delay_the_answer_only_until_the_timeout(stacks: Stacks) -> None:
    async with stacks(uninstall={"offboardTimeout": "2s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _block(acme, "secret", "talkdesk")

        await acme.uninstall()
        await acme.until(lambda obj: BLOCKER in message(obj, "Ready"), "report the blocked deletion")
        assert len(acme.approvals()) == 1
        obj = await acme.until(
            lambda obj: reason(obj, "Ready") == "DeletionBlocked", "be answered although objects remain"
        )
        assert obj["status"]["phase"] == "Uninstalled"
        assert len(acme.approvals()) == 2
        assert BLOCKER in message(obj, "Ready")

        await _unblock(acme, "secret", "talkdesk")
        await acme.becomes("Uninstalled")
        assert await acme.live("Secret", "talkdesk") is None


@pytest.mark.case(52)
async def test_a_namespace_that_can_not_go_is_named_with_what_is_in_its_way_and_goes_when_that_is_gone(
    stacks: Stacks,
) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _block(acme, "configmap", "settings")

        await acme.uninstall()
        obj = await acme.until(lambda obj: BLOCKER in message(obj, "Ready"), "say what is in the way")
        assert await acme.live("Namespace") is not None
        assert acme.at_talkdesk.state == "uninstalled"
        assert obj["status"]["phase"] != "Purged"

        await _unblock(acme, "configmap", "settings")
        await acme.becomes("Purged")
        assert await acme.live("Namespace") is None


async def _block(acme: Customer, kind: str, name: str) -> None:
    """Give an object of the tenant a finalizer of somebody else."""
    await _set_finalizers(acme, kind, name, [BLOCKER])


async def _unblock(acme: Customer, kind: str, name: str) -> None:
    await _set_finalizers(acme, kind, name, [])


async def _set_finalizers(acme: Customer, kind: str, name: str, finalizers: list[str]) -> None:
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    where = f"--namespace={acme.tenant_namespace}"
    await acme.stack.platform.kubectl("patch", kind, name, where, "--type=merge", f"--patch={patch}")


async def _terminating(acme: Customer) -> bool:
    namespace = await acme.live("Namespace")
    return namespace is not None and "deletionTimestamp" in namespace["metadata"]


async def _has_present_credentials(acme: Customer) -> bool:
    secret, stored = await acme.live("Secret", "talkdesk"), await acme.credential_secrets()
    return (
        secret is not None
        and "deletionTimestamp" not in secret["metadata"]
        and secret["data"]["client_id"] == stored[0]["data"]["client_id"]
    )
