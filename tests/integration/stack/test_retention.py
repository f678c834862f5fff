"""What is kept after an uninstall, for how long, and what a reinstall finds at each moment."""

import json

import pytest

from builders.conditions import message, reason
from builders.serving import until
from builders.stack import TENANT, Customer, Stacks

pytestmark = pytest.mark.asyncio(loop_scope="module")

BLOCKER = "tests.example.com/blocker"


@pytest.mark.case(40)
async def test_at_the_end_of_the_retention_nothing_is_left_but_a_record_without_personal_data(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install("acme-of-row-40")
        await acme.becomes("Active")

        await acme.uninstall(reason="Words of a person.")
        held = await acme.becomes("Purged")

        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await acme.secrets() == []
        text = json.dumps({key: value for key, value in held.items() if key != "metadata"})
        assert "acme-of-row-40" not in text
        assert "Words of a person." not in text
        assert held["spec"]["installationId"] == acme.installation_id
        assert held["status"]["answer"]["deliveryTime"]


@pytest.mark.case(40)
async def test_a_protected_tenant_is_kept_until_the_protection_ends(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.patch({"op": "add", "path": "/spec/deletionProtection", "value": True}, kind=TENANT)

        await acme.uninstall()
        await acme.until(lambda held: reason(held, "Ready") == "Protected", "be protected")
        assert await acme.live("ConfigMap", "settings") is not None

        await acme.patch({"op": "replace", "path": "/spec/deletionProtection", "value": False}, kind=TENANT)
        await acme.becomes("Purged")
        assert await acme.live("Namespace") is None


@pytest.mark.case(37)
async def test_a_reinstall_after_the_purge_is_a_new_tenant(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await _uid(acme)
        await acme.uninstall()
        await acme.becomes("Purged")

        again = await acme.reinstall()
        await again.becomes("Active")

        assert await _uid(again) != before


@pytest.mark.case(37)
async def test_a_reinstall_waits_while_the_old_namespace_is_terminating(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await _uid(acme)
        metadata = {"name": "foreign", "finalizers": [BLOCKER]}
        somebody_elses = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await talkdesk.platform.kubectl(
            "create", f"--namespace={acme.home}", "-f", "-", stdin=json.dumps(somebody_elses)
        )
        await acme.uninstall()
        await until(lambda: _terminating(acme), within=30)

        again = await acme.reinstall()
        held = await again.until(lambda held: reason(held, "TenantReady"), "try to make its tenant")
        assert held["status"]["phase"] != "Active"

        await _unblock(acme, "configmap", "foreign")
        await again.becomes("Active", within=60)
        assert await _uid(again) != before


@pytest.mark.case(38)
async def test_a_reinstall_while_offboarding_runs_has_everything_in_the_end(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await _uid(acme)
        await _block(acme, "secret", "talkdesk")
        await acme.uninstall()
        held = await acme.until(lambda held: BLOCKER in message(held, "Ready"), "be blocked")
        assert reason(held, "Ready") == "Offboarding"
        assert "Secret" in message(held, "Ready")

        again = await acme.reinstall()
        await again.until(lambda held: held.get("status", {}).get("phase"), "be looked at")
        await _unblock(acme, "secret", "talkdesk")
        await again.becomes("Active")
        await acme.becomes("Uninstalled")
        await until(lambda: _has_credentials(again), within=30)

        assert await _uid(again) == before


@pytest.mark.case(52)
async def test_objects_that_do_not_go_hold_up_the_answer_only_for_so_long(stacks: Stacks) -> None:
    async with stacks(uninstall={"offboardTimeout": "2s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _block(acme, "secret", "talkdesk")

        await acme.uninstall()
        await acme.until(lambda held: BLOCKER in message(held, "Ready"), "be blocked")
        assert len(acme.approvals()) == 1
        held = await acme.until(lambda held: reason(held, "Ready") == "DeletionBlocked", "be answered nevertheless")
        assert held["status"]["phase"] == "Uninstalled"
        assert len(acme.approvals()) == 2
        assert BLOCKER in message(held, "Ready")

        await _unblock(acme, "secret", "talkdesk")
        await acme.becomes("Uninstalled")
        assert await acme.live("Secret", "talkdesk") is None


async def _block(acme: Customer, kind: str, name: str) -> None:
    """Put a finalizer of somebody else's on an object of the tenant."""
    await _set_finalizers(acme, kind, name, [BLOCKER])


async def _unblock(acme: Customer, kind: str, name: str) -> None:
    await _set_finalizers(acme, kind, name, [])


async def _set_finalizers(acme: Customer, kind: str, name: str, finalizers: list[str]) -> None:
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    where = f"--namespace={acme.home}"
    await acme.stack.platform.kubectl("patch", kind, name, where, "--type=merge", f"--patch={patch}")


async def _terminating(acme: Customer) -> bool:
    home = await acme.live("Namespace")
    return home is not None and "deletionTimestamp" in home["metadata"]


async def _has_credentials(acme: Customer) -> bool:
    secret, stored = await acme.live("Secret", "talkdesk"), await acme.secrets()
    return (
        secret is not None
        and "deletionTimestamp" not in secret["metadata"]
        and secret["data"]["client_id"] == stored[0]["data"]["client_id"]
    )


async def _uid(customer: Customer) -> str:
    home = await customer.live("Namespace")
    assert home is not None
    return str(home["metadata"]["uid"])
