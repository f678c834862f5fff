"""Failures of Talkdesk's API are reported, cause no second answer, and never reject a request."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from builders.conditions import condition, message, reason
from builders.stack import Customer, Stack, Stacks
from builders.watched import Object
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.faults import ApiFault, Drop, Malformed, Redirect, Status, Timeout

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER = "POST /apps/*/installations/*/state"
READ = "GET /apps/*/installations/*"
TOKEN = "POST */oauth/token"


@pytest.mark.case(22)
@pytest.mark.parametrize("kind", ["cut", "timed out", "500"])
async def test_an_approval_that_succeeded_without_a_response_is_found_and_not_repeated(
    stacks: Stacks, kind: str
) -> None:
    faults: dict[str, ApiFault] = {
        "cut": Drop(route=ANSWER, after_effect=True, count=1),
        "timed out": Timeout(route=ANSWER, seconds=20, count=1),
        "500": Status(route=ANSWER, status=500, after_effect=True, count=1),
    }
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(faults[kind])

        acme = await talkdesk.install()
        obj = await acme.becomes("Active")

        assert len(acme.answer_calls()) == len(acme.approvals()) == 1
        assert condition(obj, "Answered") == "True"


@pytest.mark.case(22)
async def test_an_approval_that_did_not_reach_talkdesk_is_sent_again(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Drop(route=ANSWER, count=1))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        assert (len(acme.answer_calls()), len(acme.approvals())) == (2, 1)


@pytest.mark.case(22)
async def test_an_acknowledged_uninstall_whose_response_was_lost_is_not_acknowledged_again(stacks: Stacks) -> None:
    async with stacks(uninstall={"confirmAfter": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Drop(route=ANSWER, after_effect=True, count=1))

        await acme.uninstall()
        await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]
        assert len(acme.answer_calls()) == 2


@pytest.mark.case(72)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_uninstall_that_talkdesk_did_not_take_is_sent_again_though_calls_are_refused_for_a_while(
    stacks: Stacks, status: int
) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ANSWER, status=status, count=1))
        talkdesk.simulator.faults.set(Status(route=READ, status=503, skip=1, count=2))

        await acme.uninstall()
        await acme.becomes("Uninstalled")

        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]


@pytest.mark.case(72)
async def test_an_unsent_uninstall_keeps_its_credentials_while_calls_are_refused(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=ANSWER, status=503, count=1))
        number = talkdesk.simulator.faults.set(Status(route=READ, status=401, skip=1))

        await acme.uninstall()
        obj = await acme.backs_off()

        assert reason(obj, "Answered") == "Verifying"
        assert acme.at_talkdesk.answers == ["approve:completed"]
        assert await acme.credential_secrets() != []
        talkdesk.simulator.faults.clear(number)
        await acme.skip_backoff()
        await acme.becomes("Uninstalled")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]


@pytest.mark.case(23)
async def test_a_409_is_success_when_talkdesk_shows_the_installation_as_completed(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Status(route=ANSWER, status=409, after_effect=True, count=1))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        assert len(acme.answer_calls()) == 1


@pytest.mark.case(23)
async def test_a_409_while_the_installation_is_pending_is_reported_in_a_condition(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=ANSWER, status=409))

        acme = await talkdesk.install()
        obj = await acme.backs_off()

        assert reason(obj, "Ready") == reason(obj, "Answered") == "RefusedByTalkdesk"
        assert "409" in message(obj, "Answered")
        assert acme.at_talkdesk.state == "installing"
        await _works_again(talkdesk, number, acme)


@pytest.mark.case(24)
async def test_after_a_401_one_new_token_is_requested_and_used(stacks: Stacks) -> None:
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
async def test_refused_credentials_are_reported_and_retried_slowly_until_new_ones_arrive(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=TOKEN, status=401))

        acme = await talkdesk.install()
        obj = await acme.backs_off()

        assert condition(obj, "CredentialsValid") == "False"
        assert reason(obj, "CredentialsValid") == "CredentialsRefused"
        assert _delay(obj) > timedelta(seconds=10)
        assert acme.answer_calls() == []

        talkdesk.simulator.faults.clear(number)
        outcome = talkdesk.simulator.rotate(commands.Rotate(installation=acme.installation_id))
        await talkdesk.delivered(outcome)
        obj = await acme.becomes("Active")
        assert condition(obj, "CredentialsValid") == "True"


@pytest.mark.case(25)
async def test_a_403_is_reported_with_its_possible_causes_and_never_rejects_the_request(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        number = talkdesk.simulator.faults.set(Status(route=ANSWER, status=403))

        acme = await talkdesk.install()
        obj = await acme.backs_off()

        assert reason(obj, "Ready") == "Forbidden"
        assert "scope" in message(obj, "Ready")
        assert re.search("allow-?list", message(obj, "Ready"))
        assert _delay(obj) > timedelta(seconds=10)
        assert acme.at_talkdesk.state == "installing"
        assert acme.at_talkdesk.answers == []
        await _works_again(talkdesk, number, acme)


@pytest.mark.case(26)
async def test_an_installation_unknown_to_talkdesk_is_offboarded_only_after_a_second_404(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        talkdesk.simulator.faults.set(Status(route=READ, status=404))

        obj = await acme.backs_off()
        assert reason(obj, "Ready") == "NotFoundOnce"
        assert _delay(obj) > timedelta(seconds=30)
        assert await acme.live("Secret", "talkdesk") is not None

        talkdesk.may_lose_objects.add(acme.account_id)
        await acme.skip_backoff()
        await acme.becomes("Gone")

        assert await acme.live("ConfigMap", "settings") is not None
        assert await acme.live("Secret", "talkdesk") is None
        assert acme.tenant is not None
        assert acme.tenant["status"]["purgeTime"]


@pytest.mark.case(26)
async def test_a_single_404_has_no_lasting_effect(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Status(route=READ, status=404, count=1))

        acme = await talkdesk.install()
        await acme.backs_off()
        await acme.skip_backoff()

        await acme.becomes("Active")


@pytest.mark.case(27)
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_the_time_in_a_retry_after_header_is_respected(stacks: Stacks, form: str) -> None:
    async with stacks() as talkdesk:
        fault = {"route": ANSWER, "status": 429, "retry_after": "2s", "retry_after_form": form, "count": 1}
        talkdesk.simulator.faults.set(Status.model_validate(fault))

        acme = await talkdesk.install()
        await acme.becomes("Active")

        refused, taken = acme.answer_calls()
        assert taken.at - refused.at >= timedelta(seconds=1.9)


@pytest.mark.case(27, 30)
async def test_failed_calls_are_repeated_until_talkdesk_works_again(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for fault in (
            Status(route=TOKEN, status=503, count=1),
            Malformed(route="GET /account", count=1),
            Status(route=ANSWER, status=502, count=1),
        ):
            talkdesk.simulator.faults.set(fault)

        acme = await talkdesk.install()
        obj = await acme.becomes("Active")

        assert len(acme.approvals()) == 1
        assert "retry" not in obj["status"]


@pytest.mark.case(28)
async def test_an_installation_with_hosts_of_another_region_is_reported_and_nothing_is_sent(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(deliver=False)
        talkdesk.may_stay_unanswered.add(acme.account_id)
        elsewhere = {"api": "https://api.talkdeskapp.eu", "token": "https://acme.talkdeskid.eu/oauth/token"}

        await acme.apply_by_hand(endpoints=elsewhere)

        obj = await acme.until(lambda obj: reason(obj, "Ready") == "ForeignHost", "report the foreign host")
        assert "api.talkdeskapp.eu" in message(obj, "Ready")
        assert talkdesk.simulator.journal.records(installation_id=acme.installation_id) == []


@pytest.mark.case(29)
@pytest.mark.parametrize("route", [TOKEN, READ, ANSWER])
async def test_a_redirect_is_reported_and_not_followed(stacks: Stacks, route: str) -> None:
    async with stacks() as talkdesk:
        elsewhere = f"{talkdesk.server.url}/elsewhere"
        number = talkdesk.simulator.faults.set(Redirect(route=route, location=elsewhere))

        acme = await talkdesk.install()
        obj = await acme.backs_off()

        assert "redirect" in message(obj, "Ready")
        assert not [record for record in talkdesk.simulator.journal.records() if record.path == "/elsewhere"]
        await _works_again(talkdesk, number, acme)


@pytest.mark.case(29)
async def test_a_host_name_that_dns_does_not_know_is_reported(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        endpoints = {"api": "http://api.talkdesk.invalid", "token": "http://id.talkdesk.invalid/{account}/oauth/token"}
        acme = await talkdesk.install(deliver=False)
        talkdesk.may_stay_unanswered.add(acme.account_id)
        await talkdesk.change_app(endpoints=endpoints)
        named = {key: url.replace("{account}", "acme") for key, url in endpoints.items()}

        await acme.apply_by_hand(endpoints=named)

        obj = await acme.until(
            lambda obj: reason(obj, "Ready") == "TalkdeskUnavailable", "report that Talkdesk is unavailable"
        )
        assert "id.talkdesk.invalid" in message(obj, "Ready")


async def _works_again(talkdesk: Stack, fault: int, acme: Customer) -> None:
    """End a fault, and check that the next attempt succeeds."""
    talkdesk.simulator.faults.clear(fault)
    await acme.skip_backoff()
    await acme.becomes("Active")


def _delay(obj: Object) -> timedelta:
    return datetime.fromisoformat(obj["status"]["retry"]["nextAttemptTime"]) - datetime.now(UTC)


async def _until_tokens(acme: Customer, count: int) -> None:
    journal = acme.stack.simulator.journal
    await acme.stack.platform.gate.until(lambda: len(journal.records(effect="token")) >= count)
