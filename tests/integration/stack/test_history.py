"""The record of a customer who left: how long it stays, what holds it, and what an event of old does after it."""

from functools import partial

import pytest

from builders.conditions import condition, message
from builders.invariants import violations_so_far
from builders.serving import until
from builders.stack import APP, Customer, Stack, Stacks
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION, GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(40)]
_OVER = {"TimedOut", "Gone", "Uninstalled", "Purged", "Rejected"}


async def purged(talkdesk: Stack) -> Customer:
    acme = await talkdesk.install()
    await acme.becomes("Active")
    await acme.uninstall()
    await acme.becomes("Purged")
    return acme


async def until_forgotten(acme: Customer) -> None:
    """Wait until the operator has deleted the record."""
    acme.stack.deleted_installations.add(acme.name)
    await acme.until_deleted()
    assert await acme.credential_secrets() == []


async def confirm(talkdesk: Stack) -> None:
    """Have it done at once what the app's last edit deletes."""
    path = resource_path(GROUP, VERSION, "talkdeskapps", talkdesk.namespace, talkdesk.app)
    app = await talkdesk.platform.kube.request("GET", path)
    word = {ANNOTATION_CONFIRM_DELETION: str(app["metadata"]["generation"])}
    body = {"metadata": {"annotations": word}}
    await talkdesk.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)


async def test_the_record_goes_at_the_end_of_its_time_and_is_told_in_an_event(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s", "historyTTL": "2s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.deleted_installations.add(acme.name)
        await acme.uninstall()
        await acme.until_deleted()
        await acme.kubernetes_event("HistoryEnded")
        phases = [
            seen.object.get("status", {}).get("phase")
            for seen in talkdesk.platform.watched.versions("TalkdeskInstallation", acme.name)
        ]
        assert phases[-1] == "Purged"
        assert await acme.credential_secrets() == []
        assert await acme.live("Namespace") is None


async def test_a_reinstall_before_its_end_is_not_touched_by_it(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await purged(talkdesk)
        again = await acme.reinstall()
        await again.becomes("Active")
        tenant = await again.uid("Namespace")

        await talkdesk.change_app(at_once=True, retention={"keepFor": "1s", "historyTTL": "0s"})
        await until_forgotten(acme)

        assert await again.uid("Namespace") == tenant
        assert again.tenant is not None
        assert again.installation["status"]["phase"] == "Active"
        assert len(await again.credential_secrets()) == 1


async def test_the_same_installation_that_comes_back_before_its_end_is_no_record_any_more(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await purged(talkdesk)
        again = await acme.reinstall(same_id=True)
        await again.becomes("Active")
        await talkdesk.change_app(at_once=True, retention={"keepFor": "90d", "historyTTL": "0s"})
        await again.request_reconcile()
        assert again.installation["status"]["phase"] == "Active"
        assert await again.live("Namespace") is not None


async def test_an_edit_deletes_no_record_for_an_hour_unless_it_is_confirmed(stacks: Stacks) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await purged(talkdesk)
        await talkdesk.change_app(retention={"historyTTL": "0s"})
        said = "1 records of customers who left are deleted"
        await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda obj: said in message(obj, "DeletionPending"), "say what will be deleted", 90
        )
        await acme.request_reconcile()
        assert acme.installation["status"]["phase"] == "Purged"
        assert "deletionTimestamp" not in acme.installation["metadata"]

        await confirm(talkdesk)
        await until_forgotten(acme)
        await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda obj: condition(obj, "DeletionPending") != "True", "be done with it", 90
        )


@pytest.mark.parametrize("held", ["installation", "app"])
async def test_a_paused_record_stays(stacks: Stacks, held: str) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await purged(talkdesk)
        if held == "app":
            await talkdesk.change_app(paused=True)
        else:
            await acme.patch({"op": "add", "path": "/spec/paused", "value": True})
        await acme.becomes("Paused")
        await talkdesk.change_app(at_once=True, retention={"historyTTL": "0s"})
        await acme.request_reconcile()
        assert "deletionTimestamp" not in acme.installation["metadata"]

        if held == "app":
            await talkdesk.change_app(at_once=True, paused=False)
        else:
            await acme.patch({"op": "replace", "path": "/spec/paused", "value": False})
        await until_forgotten(acme)


@pytest.mark.case(3)
@pytest.mark.parametrize("status", [401, 404, 200], ids=["credentials refused", "unknown", "credentials still work"])
async def test_an_install_of_old_that_is_sent_again_afterwards_provisions_nothing_and_ends(
    stacks: Stacks, status: int
) -> None:
    async with stacks(retention={"keepFor": "1s", "historyTTL": "2s"}) as talkdesk:
        talkdesk.behave(after_uninstall_status=status)
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.deleted_installations.add(acme.name)
        await acme.uninstall()
        await acme.until_deleted()
        calls = len(acme.answer_calls())

        (installed,) = acme.events("app.installed")
        await talkdesk.change_app(at_once=True, deadline={"answerWithin": "1s", "gracePeriod": "1s"})
        await acme.deliver(installed)
        await until(partial(was_there_again, acme), within=90)
        await acme.until_deleted()

        again = [seen.object for seen in talkdesk.platform.watched.versions("TalkdeskInstallation", acme.name)]
        uid = again[-1]["metadata"]["uid"]
        assert uid != again[0]["metadata"]["uid"]
        phases = [obj.get("status", {}).get("phase") for obj in again if obj["metadata"]["uid"] == uid]
        assert phases[-1] in _OVER
        assert not {"Provisioning", "Active"} & {*phases}
        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await acme.credential_secrets() == []
        assert len(acme.answer_calls()) == calls
        assert violations_so_far(talkdesk) == []


def was_there_again(acme: Customer) -> bool:
    seen = acme.stack.platform.watched.versions("TalkdeskInstallation", acme.name)
    return len({each.object["metadata"]["uid"] for each in seen}) == 2
