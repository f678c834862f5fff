"""The port against the pretend Talkdesk: real tokens and paging, its rules on trials and rotations."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from talkdesk_crds.hosts import HostAllowList
from talkdesk_operator.adapters.talkdesk import TalkdeskClient
from talkdesk_operator.domain.ports import talkdesk as port
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    AuthMethod,
    Credentials,
    Decision,
    Subscription,
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskInvalidCredentials,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskUnavailable,
)
from talkdesk_sandbox.simulator import Settings, SimulatorServer
from talkdesk_sandbox.simulator.faults import ApiFault, Drop, Empty, Huge, Malformed, Redirect, Status
from talkdesk_sandbox.simulator.views import Outcome


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with SimulatorServer(Settings()) as running:
        yield running


async def access_of(server: SimulatorServer, outcome: Outcome) -> Access:
    """Make what a call needs from an event with credentials."""
    event = orjson.loads((await server.client.sign(outcome.events[0].id)).body)
    data, root = event["data"], event["_links"]["root"]["href"]
    token_url = f"{root}/accounts/{outcome.account_name}/oauth/token"
    return Access(
        api_url=root,
        token_url=token_url,
        credentials=Credentials(
            client_id=data["client_id"],
            client_secret=SecretStr(data["client_secret"]),
            private_key=SecretStr(data["private_key"]),
            key_id=data["key_id"],
            key_algorithm=data["key_algorithm"],
        ),
        method=AuthMethod.PRIVATE_KEY_JWT,
        scopes=(),
        region_key="team/sentiment",
        hosts=HostAllowList.for_endpoints(root, token_url, allow_insecure=True),
        holder=outcome.installation_id,
    )


def ids(outcome: Outcome) -> tuple[str, str]:
    return outcome.app_id, outcome.installation_id


# --- Who installed, and who has a license.


async def test_the_installing_user_is_the_one_that_talkdesk_names(
    client: TalkdeskClient, server: SimulatorServer
) -> None:
    outcome = await server.client.install(account="acme", users=3)
    there = await access_of(server, outcome)
    found = await client.installation(there, *ids(outcome))
    licensed = [user.id async for page in client.users(there, *ids(outcome)) for user in page]
    assert len(licensed) == 3
    assert found.created_by == licensed[0]
    assert licensed == list((await server.client.installation(outcome.installation_id)).users)


@pytest.mark.case(60)
@pytest.mark.parametrize("paging", ["page", "cursor"])
@pytest.mark.parametrize(("users", "pages"), [(0, [0]), (1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])])
async def test_pages_of_users_are_followed_in_every_form_of_link(
    client: TalkdeskClient, server: SimulatorServer, paging: str, users: int, pages: list[int]
) -> None:
    await server.client.change_settings(paging=paging)
    outcome = await server.client.install(account="acme", users=users)
    there = await access_of(server, outcome)
    found = [page async for page in client.users(there, *ids(outcome))]
    assert [len(page) for page in found] == pages
    everybody = [user for page in found for user in page]
    assert len({user.id for user in everybody}) == users
    assert all(user.active and user.email and user.name for user in everybody)


@pytest.mark.case(60)
async def test_ten_thousand_users_fifty_at_a_time(client: TalkdeskClient, server: SimulatorServer) -> None:
    outcome = await server.client.install(account="acme", users=10_000)
    there = await access_of(server, outcome)
    sizes = [len({user.id for user in page}) async for page in client.users(there, *ids(outcome))]
    assert sizes == [50] * 200


@pytest.mark.case(25)
async def test_users_of_another_installation_are_forbidden(client: TalkdeskClient, server: SimulatorServer) -> None:
    mine, other = [await server.client.install(account=name) for name in ("acme", "other")]
    there = await access_of(server, mine)
    with pytest.raises((TalkdeskForbidden, TalkdeskNotFound)):
        await anext(client.users(there, *ids(other)))


# --- Trials.


async def test_a_trial_is_seen_from_its_start_to_its_end(client: TalkdeskClient, server: SimulatorServer) -> None:
    plan: Any = {"type": "trial", "name": "Try", "licenses": 2}
    outcome = await server.client.install(account="acme", subscription=plan)
    there, here = await access_of(server, outcome), ids(outcome)
    with pytest.raises(TalkdeskNotFound):
        await client.trial(there, *here)
    await client.answer(there, *here, Decision.APPROVE, "")
    started = await client.trial(there, *here)
    now = (await server.client.clock()).now
    assert (started.state, started.ended_at, started.ended_reason) == ("started", None, None)
    assert started.expires_at is not None
    assert timedelta(days=29) < started.expires_at - now <= timedelta(days=30)
    assert (await client.subscription(there, *here)) == Subscription("trial", "individual", "Try", 2)
    await server.client.move("31d")
    ended = await client.trial(there, *here)
    assert (ended.state, ended.ended_reason, ended.expires_at) == ("ended", "trial_expired", started.expires_at)
    assert ended.ended_at is not None
    assert ended.ended_at >= started.expires_at


# --- Rotation.


@pytest.mark.case(20)
async def test_new_credentials_are_acknowledged_once_and_the_old_ones_expire(
    client: TalkdeskClient, server: SimulatorServer
) -> None:
    outcome = await server.client.install(account="acme")
    old, here = await access_of(server, outcome), ids(outcome)
    await client.answer(old, *here, Decision.APPROVE, "")
    new = await access_of(server, await server.client.rotate(account="acme"))
    await client.acknowledge(new, *here, new.credentials.client_id)
    view = await server.client.installation(outcome.installation_id)
    assert (view.acknowledged, view.client_ids) == (True, (new.credentials.client_id,))
    with pytest.raises(TalkdeskConflict):
        await client.acknowledge(new, *here, new.credentials.client_id)
    client.forget(old.holder)
    with pytest.raises(TalkdeskInvalidCredentials):
        await client.installation(old, *here)
    assert (await client.installation(new, *here)).state == "completed"


@pytest.mark.case(20)
async def test_credentials_that_were_not_rotated_need_no_acknowledgement(
    client: TalkdeskClient, server: SimulatorServer
) -> None:
    outcome = await server.client.install(account="acme")
    there = await access_of(server, outcome)
    with pytest.raises(TalkdeskConflict):
        await client.acknowledge(there, *ids(outcome), there.credentials.client_id)
    with pytest.raises(TalkdeskNotFound):
        await client.acknowledge(there, *ids(outcome), "nobody")


@pytest.mark.case(20, 22)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Empty(after_effect=True), None),
        (Malformed(after_effect=True), None),
        (Huge(after_effect=True, size=5 << 20), None),
        (Status(status=503, after_effect=True), TalkdeskOutcomeUnknown),
        (Drop(after_effect=True), TalkdeskOutcomeUnknown),
        (Redirect(location="http://elsewhere.example/", status=307), TalkdeskRedirected),
    ],
)
async def test_an_acknowledgement_with_an_unknown_outcome_can_be_sent_again(
    client: TalkdeskClient, server: SimulatorServer, fault: ApiFault, kind: type[TalkdeskError] | None
) -> None:
    outcome = await server.client.install(account="acme")
    there, here = await access_of(server, outcome), ids(outcome)
    await client.answer(there, *here, Decision.APPROVE, "")
    new = await access_of(server, await server.client.rotate(account="acme"))
    await server.client.set_fault(fault.model_copy(update={"route": "POST */credentials/*", "count": 1}))
    with pytest.raises(kind) if kind else nullcontext():
        await client.acknowledge(new, *here, new.credentials.client_id)
    done = (await server.client.installation(outcome.installation_id)).acknowledged
    assert done is not (kind is TalkdeskRedirected)
    with pytest.raises(TalkdeskConflict) if done else nullcontext():
        await client.acknowledge(new, *here, new.credentials.client_id)


# --- Faults of reading.


@pytest.mark.case(27, 29, 30)
@pytest.mark.parametrize("what", ["trial", "users"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Empty(), port.TalkdeskMalformed),
        (Malformed(), port.TalkdeskMalformed),
        (Huge(size=5 << 20), port.TalkdeskMalformed),
        (Status(status=502), TalkdeskUnavailable),
        (Status(status=429, retry_after=timedelta(minutes=1)), TalkdeskRateLimited),
        (Drop(), TalkdeskUnavailable),
        (Redirect(location="http://elsewhere.example/"), TalkdeskRedirected),
    ],
)
async def test_each_failure_of_a_read_has_its_error(
    client: TalkdeskClient, server: SimulatorServer, what: str, fault: ApiFault, kind: type[TalkdeskError]
) -> None:
    outcome = await server.client.install(account="acme")
    there = await access_of(server, outcome)
    await server.client.set_fault(fault.model_copy(update={"route": f"*/{what}"}))
    with pytest.raises(kind) as failure:
        await (client.trial(there, *ids(outcome)) if what == "trial" else anext(client.users(there, *ids(outcome))))
    assert type(failure.value) is kind


# --- A gateway that is down.


@pytest.mark.case(27)
async def test_a_failing_gateway_gets_no_calls_but_urgent_ones(client: TalkdeskClient, server: SimulatorServer) -> None:
    outcome = await server.client.install(account="acme")
    there, here = await access_of(server, outcome), ids(outcome)
    fault = await server.client.set_fault(Status(route="/account", status=503))
    for _ in range(20):
        with pytest.raises(TalkdeskUnavailable):
            await client.account(there)
    asked = [record for record in await server.client.requests() if record.path == "/account"]
    assert len(asked) == 10
    await server.client.clear_faults(fault)
    with pytest.raises(TalkdeskUnavailable, match="nothing was sent"):
        await client.answer(there, *here, Decision.APPROVE, "")
    await client.answer(replace(there, urgent=True), *here, Decision.APPROVE, "")
    assert (await client.installation(there, *here)).state == "completed"
