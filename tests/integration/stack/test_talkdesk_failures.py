"""Talkdesk's API goes wrong: nothing is answered twice, nothing is rejected for it, and all is told."""

from datetime import UTC, datetime, timedelta

import pytest

from builders.conditions import condition, message, reason
from builders.stack import Customer, Stacks
from builders.watched import Object
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.faults import ApiFault, Drop, Malformed, Redirect, Status, Timeout

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER = "POST /apps/*/installations/*/state"
READ = "GET /apps/*/installations/*"
TOKEN = "POST */oauth/token"


@pytest.mark.case(22)
@pytest.mark.parametrize("kind", ["cut", "timed out", "500"])
async def test_an_approval_that_worked_without_an_answer_is_found_and_not_repeated(stacks: Stacks, kind: str) -> None:
    faults: dict[str, ApiFault] = {
        "cut": Drop(route=ANSWER, after_effect=True, count=1),
        "timed out": Timeout(route=ANSWER, seconds=20, count=1),
        "500": Status(route=ANSWER, status=500, after_effect=True, count=1),
    }
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(faults[kind])

        acme = await talkdesk.install()
        held = await acme.becomes("Active")

        assert len(acme.posts()) == len(acme.approvals()) == 1
        assert condition(held, "Answered") == "True"


@pytest.mark.case(22)
async def test_an_approval_that_did_not_get_through_is_sent_again(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Drop(route=ANSWER, count=1))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        assert (len(acme.posts()), len(acme.approvals())) == (2, 1)


@pytest.mark.case(22)
async def test_an_acknowledged_uninstall_whose_answer_was_cut_is_over(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Drop(route=ANSWER, after_effect=True, count=1))

        await acme.uninstall()
        await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]
        assert len(acme.posts()) == 2


@pytest.mark.case(23)
async def test_a_409_is_success_when_talkdesk_has_it_as_completed(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Status(route=ANSWER, status=409, after_effect=True, count=1))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        assert len(acme.posts()) == 1


@pytest.mark.case(23)
async def test_a_409_for_what_is_pending_becomes_a_condition(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=ANSWER, status=409))

        acme = await talkdesk.install()
        held = await acme.until(lambda held: held.get("status", {}).get("retry"), "back off")

        assert reason(held, "Ready") == reason(held, "Answered") == "RefusedByTalkdesk"
        assert "409" in message(held, "Answered")
        assert acme.at_talkdesk.state == "installing"
        talkdesk.simulator.faults.clear(number)
        await acme.hurry()
        await acme.becomes("Active")


@pytest.mark.case(24)
async def test_after_a_401_one_new_token_is_asked_for_and_used(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.tokens.end_all()
        before = len(talkdesk.simulator.journal.records(effect="token"))

        await talkdesk.change_app(resyncPeriod="2s")
        await talkdesk.platform.gate.until(lambda: True)
        await _until_tokens(acme, before + 1)

        assert condition(acme.installation, "CredentialsValid") == "True"


@pytest.mark.case(24)
async def test_credentials_that_are_refused_are_told_and_tried_slowly_until_new_ones_come(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=TOKEN, status=401))

        acme = await talkdesk.install()
        held = await acme.until(lambda held: held.get("status", {}).get("retry"), "back off")

        assert condition(held, "CredentialsValid") == "False"
        assert reason(held, "CredentialsValid") == "CredentialsRefused"
        assert _delay(held) > timedelta(seconds=10)
        assert acme.posts() == []

        talkdesk.simulator.faults.clear(number)
        outcome = talkdesk.simulator.rotate(commands.Rotate(installation=acme.installation_id))
        await talkdesk.delivered(outcome)
        held = await acme.becomes("Active")
        assert condition(held, "CredentialsValid") == "True"


@pytest.mark.case(25)
async def test_a_403_names_scopes_and_address_lists_and_never_rejects(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=ANSWER, status=403))

        acme = await talkdesk.install()
        held = await acme.until(lambda held: held.get("status", {}).get("retry"), "back off")

        assert reason(held, "Ready") == "Forbidden"
        assert "scope" in message(held, "Ready")
        assert "IP allow-list" in message(held, "Ready")
        assert _delay(held) > timedelta(seconds=10)
        assert acme.at_talkdesk.state == "installing"
        assert acme.at_talkdesk.answers == []
        talkdesk.simulator.faults.clear(number)
        await acme.hurry()
        await acme.becomes("Active")


@pytest.mark.case(26)
async def test_an_installation_that_talkdesk_no_longer_knows_is_retained_after_a_second_look(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=READ, status=404))

        held = await acme.until(lambda held: held["status"].get("retry"), "look a second time")
        assert reason(held, "Ready") == "NotFoundOnce"
        assert _delay(held) > timedelta(seconds=30)
        assert await acme.live("Secret", "talkdesk") is not None

        talkdesk.may_delete.add(acme.account_id)
        await acme.hurry()
        await acme.becomes("Gone")

        assert await acme.live("ConfigMap", "settings") is not None
        assert await acme.live("Secret", "talkdesk") is None
        assert acme.tenant is not None
        assert acme.tenant["status"]["purgeTime"]


@pytest.mark.case(26)
async def test_a_404_that_passes_is_forgotten(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Status(route=READ, status=404, count=1))

        acme = await talkdesk.install()
        await acme.until(lambda held: held.get("status", {}).get("retry"), "look a second time")
        await acme.hurry()

        await acme.becomes("Active")


@pytest.mark.case(27)
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_waited_for(stacks: Stacks, form: str) -> None:
    async with stacks() as talkdesk:
        fault = {"route": ANSWER, "status": 429, "retry_after": "2s", "retry_after_form": form, "count": 1}
        talkdesk.simulator.faults.set(Status.model_validate(fault))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        refused, taken = acme.posts()
        assert taken.at - refused.at >= timedelta(seconds=1.9)


@pytest.mark.case(27, 30)
async def test_a_talkdesk_in_trouble_is_tried_again_until_it_works(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for fault in (
            Status(route=TOKEN, status=503, count=1),
            Malformed(route="GET /account", count=1),
            Status(route=ANSWER, status=502, count=1),
        ):
            talkdesk.simulator.faults.set(fault)

        acme = await talkdesk.install()
        held = await acme.becomes("Active")

        assert len(acme.approvals()) == 1
        assert "retry" not in held["status"]


@pytest.mark.case(28)
async def test_an_installation_that_names_another_regions_hosts_is_told_and_nothing_is_sent(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        talkdesk.may_wait.add(acme.account_id)
        elsewhere = {"api": "https://api.talkdeskapp.eu", "token": "https://acme.talkdeskid.eu/oauth/token"}

        await acme.apply_by_hand(endpoints=elsewhere)

        held = await acme.until(lambda held: reason(held, "Ready") == "ForeignHost", "be told")
        assert "api.talkdeskapp.eu" in message(held, "Ready")
        assert talkdesk.simulator.journal.records(installation_id=acme.installation_id) == []


@pytest.mark.case(29)
@pytest.mark.parametrize("route", [TOKEN, READ, ANSWER])
async def test_a_redirect_is_not_followed_and_told(stacks: Stacks, route: str) -> None:
    async with stacks() as talkdesk:
        away = f"{talkdesk.server.url}/elsewhere"
        number = talkdesk.simulator.faults.set(Redirect(route=route, location=away))

        acme = await talkdesk.install()
        held = await acme.until(lambda held: held.get("status", {}).get("retry"), "back off")

        assert "redirect" in message(held, "Ready")
        assert not [record for record in talkdesk.simulator.journal.records() if record.path == "/elsewhere"]
        talkdesk.simulator.faults.clear(number)
        await acme.hurry()
        await acme.becomes("Active")


@pytest.mark.case(29)
async def test_a_talkdesk_whose_name_is_unknown_is_told_as_that(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        endpoints = {"api": "http://api.talkdesk.invalid", "token": "http://id.talkdesk.invalid/{account}/oauth/token"}
        acme = await talkdesk.install(deliver=False)
        talkdesk.may_wait.add(acme.account_id)
        await talkdesk.change_app(endpoints=endpoints)
        named = {key: url.replace("{account}", "acme") for key, url in endpoints.items()}

        await acme.apply_by_hand(endpoints=named)

        held = await acme.until(lambda held: reason(held, "Ready") == "TalkdeskUnavailable", "be told")
        assert "id.talkdesk.invalid" in message(held, "Ready")


def _delay(held: Object) -> timedelta:
    return datetime.fromisoformat(held["status"]["retry"]["nextAttemptTime"]) - datetime.now(UTC)


async def _until_tokens(acme: Customer, count: int) -> None:
    journal = acme.stack.simulator.journal
    await acme.stack.platform.gate.until(lambda: len(journal.records(effect="token")) >= count)
