"""Bringing users to a strict SCIM 2.0 service over a real socket: crashes, ten thousand users, secrecy."""

import io
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from builders.quick_scim import quick_scim
from builders.scim import CANARIES, TOKEN, RecordsInMemory, app_with_scim, pages, secrets_for, user, users
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import UsersOutcome
from talkdesk_operator.domain.users.record import CAPACITY
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_runtime.kube_errors import KubeUnreachable
from talkdesk_sandbox.scim import ScimServer, ScimSettings
from talkdesk_sandbox.simulator.faults import Drop, Malformed, Status

CONTEXT: dict[str, Any] = {"tenant": {"name": "td-acme"}, "account": {"name": "Ana Canary"}}


@dataclass
class ObjectKey:
    """A service and what is on record of its users. Each `bring` is a new process."""

    url: str
    records: RecordsInMemory = field(default_factory=RecordsInMemory)
    batch: int = 200
    budget: timedelta = timedelta(minutes=5)

    async def bring(self, listed: Iterable[User], created_by: str | None = None) -> UsersOutcome:
        client = ScimClient(proxies={})
        sync = UserSync(secrets_for(self.url).read, self.records, client, batch=self.batch, budget=self.budget)
        try:
            return await sync.sync(app_with_scim(self.url), "acme", CONTEXT, pages(listed), created_by)
        finally:
            await client.aclose()

    async def deactivate_everybody(self) -> UsersOutcome:
        client = ScimClient(proxies={})
        sync = UserSync(secrets_for(self.url).read, self.records, client, budget=self.budget)
        try:
            return await sync.deactivate_all(app_with_scim(self.url), "acme", CONTEXT)
        finally:
            await client.aclose()


@dataclass
class StrictPlace(ObjectKey):
    """One whose service is strict."""

    server: ScimServer = field(default_factory=ScimServer)

    @property
    def active(self) -> list[str]:
        return sorted(each["externalId"] for each in self.server.users() if each["active"])


@asynccontextmanager
async def place(**settings: Any) -> AsyncIterator[StrictPlace]:
    async with ScimServer(ScimSettings(token=SecretStr(TOKEN), **settings)) as server:
        yield StrictPlace(server.url, server=server)


def ids(listed: Iterable[User]) -> list[str]:
    return sorted(each.id for each in listed)


@pytest.mark.parametrize("bulk", [True, False])
async def test_users_are_created_changed_deactivated_and_found_again(*, bulk: bool) -> None:
    async with place(bulk=bulk) as here:
        assert (await here.bring(users(5), created_by=user(1).id)).synced == 5
        assert here.server.user(user(1).id)["roles"][0]["value"] == "admin"
        await here.bring(users(4))
        assert here.active == ids(users(4))
        await here.bring([user(1, email="canary-new@example.com"), *users(5)[1:]])
        assert here.active == ids(users(5))
        assert here.server.user(user(1).id)["userName"] == "canary-new@example.com"
        await here.deactivate_everybody()
        assert here.active == []
        assert len(here.server.users()) == 5
        await here.bring(users(2), created_by=user(1).id)
        assert here.active == ids(users(2))


@pytest.mark.case(60)
@pytest.mark.parametrize("bulk", [True, False])
async def test_a_person_who_was_made_anew_in_talkdesk_is_a_new_user(*, bulk: bool) -> None:
    async with place(bulk=bulk) as here:
        await here.bring(users(3))
        anew = user(9, email=user(1).email)
        outcome = await here.bring([anew, *users(3)[1:]])
        assert (outcome.synced, outcome.failed, outcome.failure, outcome.partial_failure) == (3, 0, None, None)
        assert here.active == ids([anew, *users(3)[1:]])
        assert len(here.server.users()) == 4
        before = here.server.user(user(1).id)
        assert (before["userName"], before["displayName"]) == (user(1).id, user(1).name)
        assert (await here.bring([user(1, email="canary-back@example.com"), anew])).failed == 0
        assert here.active == ids([user(1), anew])
        assert here.server.user(user(1).id)["userName"] == "canary-back@example.com"
        assert len(here.server.users()) == 4


@pytest.mark.parametrize("bulk", [True, False])
async def test_an_address_of_somebody_who_left_is_free_for_another_user(*, bulk: bool) -> None:
    async with place(bulk=bulk) as here:
        await here.bring(users(2))
        await here.bring(users(1))
        outcome = await here.bring([user(1, email=user(2).email)])
        assert (outcome.synced, outcome.failed) == (1, 0)
        assert here.server.user(user(1).id)["userName"] == user(2).email
        assert here.active == [user(1).id]


async def test_an_address_of_somebody_elses_user_stays_theirs() -> None:
    async with place() as here:
        here.server.ask("POST", "/Users", _somebody_elses())
        for _ in range(2):
            outcome = await here.bring([user(1), user(4)])
            assert (outcome.synced, outcome.failed) == (1, 1)
            assert outcome.partial_failure is not None
        assert len(here.server.users()) == 2


@pytest.mark.case(50, 60)
@pytest.mark.parametrize("bulk", [True, False])
async def test_a_crash_in_the_middle_of_a_batch_creates_nobody_twice(*, bulk: bool) -> None:
    async with place(bulk=bulk) as here:
        here.batch = 10
        here.records.error, here.records.saves_before_error = (
            KubeUnreachable("the process dies before the batch's end"),
            1,
        )
        with pytest.raises(KubeUnreachable):
            await here.bring(users(30))
        assert len(here.server.users()) == 10
        here.records.error = None
        outcome = await here.bring(users(30))
        assert (outcome.synced, outcome.failure) == (30, None)
        assert here.active == ids(users(30))
        assert len(here.server.users()) == 30


@pytest.mark.parametrize("status", [500, 503])
async def test_lost_answers_create_nobody_twice(status: int) -> None:
    async with place(bulk=False) as here:
        here.server.faults.set(Status(route="POST */Users", status=status, after_effect=True, count=3))
        here.server.faults.set(Drop(route="POST */Users", after_effect=True, count=2, skip=3))
        here.server.faults.set(Malformed(route="POST */Users", after_effect=True, count=1, skip=5))
        first = await here.bring(users(10))
        assert first.partial_failure is not None
        assert first.failed + first.synced == 10
        outcome = await here.bring(users(10))
        assert (outcome.synced, outcome.failure) == (10, None)
        assert len(here.server.users()) == 10


@pytest.mark.case(47)
async def test_a_lost_record_is_rebuilt_from_the_service() -> None:
    async with place() as here:
        await here.bring(users(5))
        here.records.kept.clear()
        outcome = await here.bring(users(4))
        assert outcome.synced == 4
        assert len(here.server.users()) == 5


@pytest.mark.case(60)
async def test_ten_thousand_users_take_few_requests_and_none_when_nothing_changed() -> None:
    count = 10_000
    async with quick_scim() as scim:
        here = ObjectKey(scim.url)
        listed = users(count)
        outcome = await here.bring(listed, created_by=user(1).id)
        assert (outcome.licensed, outcome.synced, outcome.done, outcome.failure) == (count, count, True, None)
        assert len(scim.users) == count
        assert scim.requests == {"ServiceProviderConfig": 1, "Users": count / 25, "Bulk": count / 100}
        assert here.records.saves <= 2 * (count / here.batch + count / CAPACITY)
        assert len(here.records.kept["team", "acme"]) == ceil(count / CAPACITY)
        scim.requests.clear()
        assert (await here.bring(listed, created_by=user(1).id)).synced == count
        assert scim.requests == {}
        assert (await here.bring(listed[: count // 2], created_by=user(1).id)).synced == count / 2
        assert sum(each["active"] for each in scim.users.values()) == count / 2
        assert scim.requests == {"ServiceProviderConfig": 1, "Bulk": count / 2 / 100}


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Iterator[io.StringIO]:
    """Everything that is logged, at the finest level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(stream))
    yield stream
    structlog.reset_defaults()
    root.removeHandler(handler)
    root.setLevel(level)
    captured = capfd.readouterr()
    stream.write(captured.out + captured.err)


@pytest.mark.case(61)
async def test_no_name_address_or_token_is_logged(output: io.StringIO) -> None:
    async with place(bulk=False) as here:
        here.server.ask("POST", "/Users", _somebody_elses())
        here.server.faults.set(Status(route="PATCH *", status=500, count=1))
        here.server.faults.set(Malformed(route="POST */Users", count=1))
        outcomes = [
            await here.bring([user(1), user(2, email="canary no address"), user(3), user(4)]),
            await here.bring([user(1, name="Ana B"), user(3)]),
            await here.deactivate_everybody(),
        ]
        assert any(outcome.failed for outcome in outcomes)
        logged = output.getvalue()
        assert "user.sync_failed" in logged
        told = f"{outcomes!r} {here.records.kept!r} {logged}".lower()
        assert not [canary for canary in CANARIES if canary in told], told


def _somebody_elses() -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user(4).email,
        "externalId": "of another system",
    }
