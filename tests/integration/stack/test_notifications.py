"""An app's endpoints are told what happens to its customers, on the whole stack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.conditions import message, reason
from builders.invariants import secrets_of
from builders.notification_receiver import KEY, NEXT_KEY, Arrival, Receiver, endpoint, key_secret, receiver
from builders.platform import Platform
from builders.serving import until
from builders.stack import APP, TENANT, Customer, Stack, Stacks
from talkdesk_crds.names import GROUP
from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")
OPERATOR = {"ALLOWED_HOOK_NETWORKS": "127.0.0.0/8"}

TRIAL = commands.SubscriptionSpec(type="trial")
KEYS = (KEY, NEXT_KEY)


@asynccontextmanager
async def told(
    stacks: Stacks, programs: Platform, *endpoints: dict[str, Any], key: str = KEY, **spec: Any
) -> AsyncIterator[tuple[Stack, Receiver]]:
    """Make an app with endpoints at one receiver, by default one; each field is one of theirs."""
    async with receiver() as there:
        await programs.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=key_secret(there.url, key)
        )
        programs.canaries |= {each.partition("_")[2].encode() for each in KEYS}
        named = [endpoint(there.url, **each) for each in endpoints or ({},)]
        async with stacks(notifications=named, **spec) as stack:
            yield stack, there
            texts = b"\n".join(each.raw for each in there.arrivals)
            assert [each for each in secrets_of(stack) | programs.canaries if each in texts] == []


async def _key_is(programs: Platform, there: Receiver, key: str) -> None:
    secret = key_secret(there.url, key)
    await programs.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=secret)


async def _purge(acme: Customer) -> None:
    acme.stack.may_lose_objects.add(acme.account_id)
    await acme.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "admin"}}, kind=TENANT)
    await acme.becomes("Purged")


def _outbox(acme: Customer) -> dict[str, Any]:
    outbox: dict[str, Any] = acme.installation["status"]["notifications"]
    return outbox


async def _until_recorded(acme: Customer) -> None:
    """Wait until the status says that all was delivered."""
    await acme.until(lambda obj: not obj["status"]["notifications"].get("pending"), "have told everything")


async def _trial(acme: Customer, action: str) -> None:
    command = commands.TrialCommand(installation=acme.installation_id, action=action)
    await acme.stack.delivered(acme.stack.simulator.trial(command))


async def test_a_whole_life_is_told_in_order(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs) as (stack, there):
        acme = await stack.install("acme-of-notifications", subscription=TRIAL)
        await acme.until_on_trial()
        await acme.becomes("Active")
        await _trial(acme, "end")
        await acme.becomes("Suspended")
        upgrade = commands.Update(installation=acme.installation_id, type="paid", plan="Gold", licenses=20)
        await stack.delivered(stack.simulator.update(upgrade))
        await acme.becomes("Active")
        await acme.uninstall(reason="Words of a person.")
        await acme.becomes("Uninstalled")
        await _purge(acme)

        kinds = ["Installed", "Approved", "Suspended", "Updated", "Approved", "Uninstalled", "Purged"]
        await until(lambda: "Purged" in there.kinds(), within=90)
        assert sorted(there.kinds()) == sorted([*kinds, "Resumed"])
        assert [kind for kind in there.kinds() if kind != "Resumed"] == kinds
        assert there.kinds().index("Updated") < there.kinds().index("Resumed") < there.kinds().index("Uninstalled")
        first = there.taken[0].sequence
        assert [each.sequence for each in there.taken] == list(range(first, first + len(kinds) + 1))
        assert len({each.id for each in there.taken}) == len(there.taken)
        assert {each.subject for each in there.taken} == {acme.installation_id}
        _is_right(stack, acme, there)
        await _until_recorded(acme)
        assert there.arrivals == there.taken


def _is_right(stack: Stack, acme: Customer, there: Receiver) -> None:
    """Compare what was told with what happened."""
    first = there.taken[0]
    [install] = acme.events("app.installed")
    assert first.event.get_specversion() == "1.0"
    assert first.event.get_source() == f"//{GROUP}/namespaces/{stack.namespace}/talkdeskapps/{stack.app}"
    assert first.event.get_time() == datetime.fromisoformat(install.document["created_at"])
    assert first.data["account"]["id"] == acme.account_id
    assert first.data["account"]["name"] == "acme-of-notifications"
    assert first.data["installation"] == {"id": acme.installation_id, "name": acme.name}
    assert first.data["request"] == {"type": "Install", "eventId": install.id}
    assert first.data["app"] == {"id": stack.app_id, "name": stack.app, "namespace": stack.namespace}
    approved = [each for each in there.taken if each.kind == "Approved"]
    assert [each.data["request"]["type"] for each in approved] == ["Install", "Update"]
    assert [each.data["phase"] for each in there.taken if each.kind == "Suspended"] == ["Suspended"]
    assert "Words of a person." not in b"".join(each.raw for each in there.taken).decode()
    assert "acme-of-notifications" not in there.taken[-1].raw.decode(), "the customer was erased before"


async def test_an_endpoint_that_is_down_holds_up_no_approval_and_is_told_everything_later(
    stacks: Stacks, programs: Platform
) -> None:
    async with told(stacks, programs) as (stack, there):

        async def down(_: Arrival) -> int:
            return 503

        there.mood = down
        acme = await stack.install()
        await acme.becomes("Active")
        await there.until_asked()
        assert there.taken == []
        assert len(acme.approvals()) == 1, "the approval waits for nobody"

        held = await acme.until(
            lambda obj: obj["status"]["notifications"].get("endpoints"), "put the failure down in the status"
        )
        [state] = held["status"]["notifications"]["endpoints"]
        assert state["attempts"] >= 1
        assert state["nextAttemptTime"]
        assert (state["reason"], state["message"]) == ("NotificationRefused", "it answers 503")
        assert [each["type"] for each in _outbox(acme)["pending"]] == ["Installed", "Approved"]
        assert reason(acme.installation, "Ready") != "NotificationRefused"

        there.mood = Receiver().mood
        await there.until("Installed", "Approved")
        await _until_recorded(acme)
        assert _outbox(acme)["endpoints"] == [], "the back-off is over"
        tried = [each for each in there.arrivals if each.kind == "Installed"]
        assert len(tried) >= 2
        assert {(each.id, each.raw) for each in tried} == {(tried[0].id, tried[0].raw)}


async def test_an_endpoint_that_hangs_holds_up_no_installation_of_its_app_or_of_another(
    stacks: Stacks, programs: Platform
) -> None:
    answers = asyncio.Event()
    async with told(stacks, programs, {"timeout": "120s"}) as (stack, there), stacks() as other:

        async def hangs(_: Arrival) -> int:
            await answers.wait()
            return 200

        there.mood = hangs
        acme = await stack.install()
        await there.until_asked()
        beta, gamma = await stack.install(), await other.install()
        for each in (acme, beta, gamma):
            await each.becomes("Active")
        assert there.taken == [], "all of it while the first request was still under way"

        answers.set()
        for each in (acme, beta):
            await there.until("Installed", "Approved", subject=each.installation_id)


async def test_a_request_that_is_not_answered_in_time_is_sent_again(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs, {"timeout": "1s"}) as (stack, there):

        async def hangs_once(_: Arrival) -> int:
            if len(there.arrivals) == 1:
                await asyncio.Event().wait()
            return 200

        there.mood = hangs_once
        acme = await stack.install()
        await acme.becomes("Active")
        held = await acme.until(lambda obj: obj["status"]["notifications"].get("endpoints"), "say that it failed")
        assert held["status"]["notifications"]["endpoints"][0]["message"] == "no answer in time"
        await there.until("Installed", "Approved")
        assert there.arrivals[0].raw == there.arrivals[1].raw


async def test_an_endpoint_is_told_what_its_events_and_its_filter_say(stacks: Stacks, programs: Platform) -> None:
    endpoints = (
        {"name": "all"},
        {"name": "some", "events": ["Approved", "Uninstalled"]},
        {"name": "gold", "filter": "account.name.startsWith('gold') && event.type != 'Approved'"},
        {"name": "updates", "filter": "event.requestType == 'Update'"},
    )
    async with told(stacks, programs, *endpoints) as (stack, there):
        acme, gold = await stack.install("acme-plain"), await stack.install("gold-one")
        for each in (acme, gold):
            await each.becomes("Active")
            await stack.delivered(stack.simulator.update(commands.Update(installation=each.installation_id, plan="P")))
            await there.until("Installed", "Approved", "Updated", "Approved", subject=each.installation_id, name="all")
            await each.becomes("Active")
            await each.uninstall()
            await each.becomes("Uninstalled")
            await there.until("Approved", "Approved", "Uninstalled", subject=each.installation_id, name="some")
            await there.until("Updated", "Approved", subject=each.installation_id, name="updates")
        await there.until("Installed", "Updated", "Uninstalled", name="gold")
        assert {each.subject for each in there.taken if each.endpoint == "gold"} == {gold.installation_id}
        by_id = {each.id: each.raw for each in there.taken}
        assert all(by_id[each.id] == each.raw for each in there.taken), "each endpoint is told the same"


def _left(obj: dict[str, Any]) -> set[str]:
    """Return the endpoints that are still to be told something."""
    return {name for each in obj["status"]["notifications"]["pending"] for name in each["endpoints"]}


async def test_endpoints_do_not_wait_for_one_another(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs, {"name": "good"}, {"name": "bad"}) as (stack, there):

        async def half(arrival: Arrival) -> int:
            return 200 if arrival.endpoint == "good" else 500

        there.mood = half
        acme = await stack.install()
        await there.until("Installed", "Approved", name="good")
        await acme.becomes("Active")
        held = await acme.until(
            lambda obj: (
                {name for each in obj["status"]["notifications"]["pending"] for name in each["endpoints"]} == {"bad"}
            ),
            "have the other endpoint left",
        )
        assert [each["name"] for each in held["status"]["notifications"]["endpoints"]] == ["bad"]
        there.mood = Receiver().mood
        await there.until("Installed", "Approved", name="bad")
        assert there.kinds(name="good") == ["Installed", "Approved"]


async def test_installations_go_on_without_the_key_and_are_told_when_it_is_there(
    stacks: Stacks, programs: Platform
) -> None:
    async with receiver() as there, stacks() as stack:
        named = endpoint(there.url, secretRef={"name": "later", "key": "key"})
        await stack.change_app(notifications=[named])
        watched = programs.watched
        app = await watched.until(
            APP, stack.app, lambda obj: reason(obj, "Ready") == "NotificationKeyMissing", "say what is missing"
        )
        assert message(app, "Ready") == "notifications default: there is no Secret later"

        acme = await stack.install()
        await acme.becomes("Active")
        assert there.arrivals == []
        held = await acme.until(lambda obj: obj["status"]["notifications"].get("endpoints"), "say what is missing")
        assert held["status"]["notifications"]["endpoints"][0]["reason"] == "NotificationKeyMissing"

        await programs.kubectl("apply", "-f", "-", stdin=key_secret(there.url, name="later"))
        await there.until("Installed", "Approved")
        await stack.become_ready()


async def test_the_deletion_of_the_object_is_told_before_it_goes(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs) as (stack, there):

        async def no_farewell(arrival: Arrival) -> int:
            return 503 if arrival.kind == "Purged" else 200

        there.mood = no_farewell
        acme = await stack.install()
        await acme.becomes("Active")
        stack.may_lose_objects.add(acme.account_id)
        await acme.patch({"op": "add", "path": "/spec/deletionPolicy", "value": "Delete"})
        await acme.delete()
        held = await acme.until(lambda obj: "was told what happened" in message(obj, "Ready"), "wait to tell it")
        assert acme.tenant is None
        deleted = datetime.fromisoformat(held["metadata"]["deletionTimestamp"])
        until_then = deleted + timedelta(minutes=10)
        assert f"or at {until_then:%Y-%m-%dT%H:%M:%S}" in message(held, "Ready")
        assert "default" in message(held, "Ready")
        there.mood = Receiver().mood
        await acme.until_deleted()
        assert there.kinds() == ["Installed", "Approved", "Purged"]


async def test_a_key_is_changed_without_a_gap(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs, key=f"{NEXT_KEY}\n{KEY}") as (stack, there):
        acme = await stack.install()
        await there.until("Installed", "Approved", subject=acme.installation_id)
        assert {len(each.headers["webhook-signature"].split()) for each in there.taken} == {2}
        there.keys = WebhookSecrets.read(NEXT_KEY)
        beta = await stack.install()
        await there.until("Installed", "Approved", subject=beta.installation_id)
        assert there.unsigned == 0, "each of the two signatures is right"

        await _key_is(programs, there, "another")
        there.keys = WebhookSecrets.read("another")
        gamma = await stack.install()
        await there.until("Installed", "Approved", subject=gamma.installation_id)
        for each in (acme, beta, gamma):
            await each.becomes("Active")
            await _until_recorded(each)


async def test_what_is_still_to_be_told_of_an_erased_customer_has_no_names(stacks: Stacks, programs: Platform) -> None:
    async with told(stacks, programs) as (stack, there):

        async def down(_: Arrival) -> int:
            return 500

        there.mood = down
        acme = await stack.install("acme-to-be-erased", company_name="Erased Inc.")
        await acme.becomes("Active")
        assert {each.get("accountName") for each in _outbox(acme)["pending"]} == {"acme-to-be-erased"}
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        await _purge(acme)
        left = _outbox(acme)["pending"]
        assert [each["type"] for each in left] == ["Installed", "Approved", "Uninstalled", "Purged"]
        assert not any({"accountName", "companyName", "plan", "message"} & each.keys() for each in left[:3])
        assert "acme-to-be-erased" not in str(acme.installation["status"])

        there.mood = Receiver().mood
        await there.until("Installed", "Approved", "Uninstalled", "Purged")
        for each in there.taken:
            assert each.data["account"] == {"id": acme.account_id, "name": None, "companyName": None}
            assert each.data["subscription"] == {"name": None}
            assert "Erased Inc." not in each.raw.decode()
