"""A reconcile finds what no event reported: lost events, a lost status, a state that contradicts our record."""

from datetime import timedelta
from typing import Any

import pytest

from builders.conditions import condition, message, reason
from builders.stack import Customer, Stacks
from builders.watched import Object
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import JSON_PATCH, resource_path
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.state import InstallationState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.case(11)
async def test_an_update_whose_event_was_lost_is_answered_when_talkdesks_state_names_it(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.behave(updating_state="updating")
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _make_the_answer_old(acme)
        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold", deliver=False))

        await acme.request_reconcile()

        obj = await acme.until(lambda obj: obj["spec"]["request"]["type"] == "Update", "record the update")
        assert obj["spec"]["request"]["eventId"].startswith("found-")
        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:completed"]
        # The lost event arrives at last. It is older than the recorded request and changes nothing.
        await acme.deliver(acme.events("app.updated")[0])
        await acme.becomes("Active")
        assert len(acme.at_talkdesk.answers) == 2


@pytest.mark.case(11)
async def test_an_uninstall_whose_event_was_lost_is_found_and_the_tenant_is_offboarded(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.behave(uninstalling_state="uninstalling")
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _make_the_answer_old(acme)
        await acme.uninstall(deliver=False)

        await acme.request_reconcile()

        await acme.becomes("Uninstalled")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Offboarded"


@pytest.mark.case(11, 31)
async def test_a_pending_request_that_talkdesks_state_does_not_name_is_reported_and_not_answered(
    stacks: Stacks,
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _make_the_answer_old(acme)
        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold", deliver=False))
        talkdesk.may_stay_unanswered.add(acme.account_id)

        obj = await acme.request_reconcile()

        assert (condition(obj, "InSync"), reason(obj, "InSync")) == ("False", "Diverged")
        assert "spec.request" in message(obj, "InSync")
        assert acme.at_talkdesk.answers == ["approve:completed"]
        await acme.kubernetes_event("Diverged")
        assert condition(obj, "Ready") == "True"

        await acme.deliver(acme.events("app.updated")[0])
        await acme.until(lambda _: len(acme.at_talkdesk.answers) == 2, "be answered")
        obj = await acme.request_reconcile()
        assert condition(obj, "InSync") == "True"
        talkdesk.may_stay_unanswered.clear()


@pytest.mark.case(31)
async def test_a_state_that_contradicts_our_answer_is_reported_and_the_answer_is_not_repeated(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        acme.at_talkdesk.state = InstallationState.REJECTED

        obj = await acme.request_reconcile()

        assert (condition(obj, "InSync"), reason(obj, "InSync")) == ("False", "Diverged")
        assert "rejected" in message(obj, "InSync")
        assert len(acme.answer_calls()) == 1
        assert await acme.live("ConfigMap", "settings") is not None


@pytest.mark.case(58)
async def test_a_renamed_account_is_shown_with_its_new_name_and_no_object_is_replaced(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.uid("ConfigMap", "settings")

        talkdesk.simulator.rename(commands.Rename(account=acme.account, name=f"{acme.account}-new"))
        obj = await acme.request_reconcile()

        assert obj["status"]["account"]["name"] == f"{acme.account}-new"
        settings = await acme.existing("ConfigMap", "settings")
        assert settings["metadata"]["uid"] == before
        assert settings["data"]["account"] == f"{acme.account}-new"


@pytest.mark.case(58)
async def test_a_renamed_account_gets_its_tokens_from_the_url_of_its_new_name(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        name = f"{acme.account}-new"
        talkdesk.simulator.rename(commands.Rename(account=acme.account, name=name))
        # An event has the new name; the present token expires.
        update = commands.Update(installation=acme.installation_id, plan="Gold")
        await talkdesk.delivered(talkdesk.simulator.update(update))
        await talkdesk.simulator.move(timedelta(minutes=11))

        obj = await acme.request_reconcile()

        assert obj["spec"]["accountName"] == name
        assert condition(obj, "CredentialsValid") == "True"
        assert f"/accounts/{name}/oauth/token" in {record.path for record in talkdesk.simulator.journal.records()}


@pytest.mark.case(47)
async def test_a_lost_status_is_rebuilt_and_nothing_is_created_or_answered_twice(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        before = await acme.uid("ConfigMap", "settings")

        for kind, name in (("talkdesktenants", acme.tenant_name), ("talkdeskinstallations", acme.name)):
            path = resource_path(GROUP, VERSION, kind, talkdesk.namespace, name)
            patch: list[Any] = [{"op": "replace", "path": "/status", "value": {}}]
            await talkdesk.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)
        await acme.becomes("Active")

        await acme.tenant_until(_is_ready, "be ready again")
        assert acme.at_talkdesk.answers == ["approve:completed"]
        assert await acme.uid("ConfigMap", "settings") == before


@pytest.mark.case(46)
async def test_a_spec_edited_by_hand_is_the_new_desired_state(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        await acme.patch({"op": "replace", "path": "/spec/accountName", "value": "renamed-by-hand"})
        obj = await acme.until(lambda obj: obj["spec"]["accountName"] == "renamed-by-hand", "be renamed")
        await acme.becomes("Active")

        assert obj["spec"]["accountName"] == "renamed-by-hand"
        assert acme.at_talkdesk.answers == ["approve:completed"]


def _is_ready(obj: Object | None) -> bool:
    return obj is not None and condition(obj, "Ready") == "True"


async def _make_the_answer_old(acme: Customer) -> None:
    """Set the time of the answer to the past, because a state within seconds of an answer may be its effect."""
    path = resource_path(GROUP, VERSION, "talkdeskinstallations", acme.stack.namespace, acme.name)
    patch = [{"op": "replace", "path": "/status/answer/deliveryTime", "value": "2026-01-01T00:00:00Z"}]
    await acme.stack.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)
    await acme.stack.simulator.move(acme.stack.simulator.state.behavior.token_lifetime / 100)
