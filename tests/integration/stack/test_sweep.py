"""What nobody told is found by looking: lost events, lost status, a state that does not fit."""

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
async def test_an_update_whose_event_got_lost_is_found_and_answered_where_talkdesk_names_it(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.behave(updating_state="updating")
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _let_the_answer_age(acme)
        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold", deliver=False))

        await acme.looked_at()

        held = await acme.until(lambda held: held["spec"]["request"]["type"] == "Update", "note the update")
        assert held["spec"]["request"]["eventId"].startswith("found-")
        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:completed"]
        # The event itself comes at last: it is older than what was noted, and changes nothing.
        await acme.deliver(acme.events("app.updated")[0])
        await acme.becomes("Active")
        assert len(acme.at_talkdesk.answers) == 2


@pytest.mark.case(11)
async def test_an_uninstall_whose_event_got_lost_is_found_and_seen_to(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.behave(uninstalling_state="uninstalling")
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _let_the_answer_age(acme)
        await acme.uninstall(deliver=False)

        await acme.looked_at()

        await acme.becomes("Uninstalled")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Offboarded"


@pytest.mark.case(11, 31)
async def test_what_waits_without_a_name_is_told_and_not_answered(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await _let_the_answer_age(acme)
        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold", deliver=False))
        talkdesk.may_wait.add(acme.account_id)

        held = await acme.looked_at()

        assert (condition(held, "InSync"), reason(held, "InSync")) == ("False", "Diverged")
        assert "no event has come" in message(held, "InSync")
        assert acme.at_talkdesk.answers == ["approve:completed"]
        await acme.announced("Diverged")
        assert condition(held, "Ready") == "True"

        await acme.deliver(acme.events("app.updated")[0])
        await acme.until(lambda _: len(acme.at_talkdesk.answers) == 2, "be answered")
        held = await acme.looked_at()
        assert condition(held, "InSync") == "True"
        talkdesk.may_wait.clear()


@pytest.mark.case(31)
async def test_a_state_that_contradicts_our_answer_is_told_and_the_decision_not_repeated(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        acme.at_talkdesk.state = InstallationState.REJECTED

        held = await acme.looked_at()

        assert (condition(held, "InSync"), reason(held, "InSync")) == ("False", "Diverged")
        assert "rejected" in message(held, "InSync")
        assert len(acme.posts()) == 1
        assert await acme.live("ConfigMap", "settings") is not None


@pytest.mark.case(58)
async def test_an_account_with_another_name_is_shown_by_it_and_nothing_is_made_anew(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        kept = await acme.live("ConfigMap", "settings")
        assert kept is not None

        talkdesk.simulator.rename(commands.Rename(account=acme.account, name=f"{acme.account}-new"))
        held = await acme.looked_at()

        assert held["status"]["account"]["name"] == f"{acme.account}-new"
        now = await acme.live("ConfigMap", "settings")
        assert now is not None
        assert now["metadata"]["uid"] == kept["metadata"]["uid"]
        assert now["data"]["account"] == f"{acme.account}-new"


@pytest.mark.case(58)
async def test_an_account_with_another_name_gets_its_tokens_under_it(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        name = f"{acme.account}-new"
        talkdesk.simulator.rename(commands.Rename(account=acme.account, name=name))
        # An event told the name; the token from before it is over.
        update = commands.Update(installation=acme.installation_id, plan="Gold")
        await talkdesk.delivered(talkdesk.simulator.update(update))
        await talkdesk.simulator.move(timedelta(minutes=11))

        held = await acme.looked_at()

        assert held["spec"]["accountName"] == name
        assert condition(held, "CredentialsValid") == "True"
        assert f"/accounts/{name}/oauth/token" in {record.path for record in talkdesk.simulator.journal.records()}


@pytest.mark.case(47)
async def test_a_lost_status_is_rebuilt_and_nothing_is_made_or_answered_twice(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        kept = await acme.live("ConfigMap", "settings")
        assert kept is not None

        for kind, name in (("talkdesktenants", acme.tenant_name), ("talkdeskinstallations", acme.name)):
            path = resource_path(GROUP, VERSION, kind, talkdesk.namespace, name)
            patch: list[Any] = [{"op": "replace", "path": "/status", "value": {}}]
            await talkdesk.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)
        await acme.becomes("Active")

        await acme.tenant_until(_is_ready, "be ready again")
        assert acme.at_talkdesk.answers == ["approve:completed"]
        now = await acme.live("ConfigMap", "settings")
        assert now is not None
        assert now["metadata"]["uid"] == kept["metadata"]["uid"]


@pytest.mark.case(46)
async def test_a_spec_edited_by_hand_is_simply_what_is_wanted_now(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        await acme.patch({"op": "replace", "path": "/spec/accountName", "value": "renamed-by-hand"})
        held = await acme.until(lambda held: held["spec"]["accountName"] == "renamed-by-hand", "be renamed")
        await acme.becomes("Active")

        assert held["spec"]["accountName"] == "renamed-by-hand"
        assert acme.at_talkdesk.answers == ["approve:completed"]


def _is_ready(held: Object | None) -> bool:
    return held is not None and condition(held, "Ready") == "True"


async def _let_the_answer_age(acme: Customer) -> None:
    """Put the answer back in time: what Talkdesk says within seconds of it may be its echo."""
    path = resource_path(GROUP, VERSION, "talkdeskinstallations", acme.stack.namespace, acme.name)
    patch = [
        {"op": "replace", "path": "/status/answer/at", "value": "2026-01-01T00:00:00Z"},
    ]
    await acme.stack.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)
    await acme.stack.simulator.move(acme.stack.simulator.state.behavior.token_lifetime / 100)
