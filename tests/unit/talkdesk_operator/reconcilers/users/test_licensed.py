"""Licensed users are counted, or synchronized with the partner's service; failures of Talkdesk are values."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import answered, credentials, installation, scope, tenant, view
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import UsersStatus
from talkdesk_operator.domain.ports.scim import Order, Result
from talkdesk_operator.domain.ports.scim import Service as ScimAddress
from talkdesk_operator.domain.ports.scim_errors import ScimError
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Account,
    Decision,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskError,
    TalkdeskUnavailable,
    User,
)
from talkdesk_operator.domain.reconcile.scope import Scope, UsersOutcome
from talkdesk_operator.domain.users.record import Piece
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_operator.reconcilers.users.sync import UserSync

SCIM = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}


class Listed:
    """A Talkdesk that only lists users, and breaks off with an error where it has one."""

    def __init__(self, *pages: list[str], error: TalkdeskError | None = None) -> None:
        self._pages = pages
        self._error = error
        self.asked: list[tuple[str, str]] = []

    async def users(self, access: Access, app_id: str, installation_id: str) -> AsyncIterator[tuple[User, ...]]:
        assert access.api_url == "https://api.talkdeskapp.com"
        self.asked.append((app_id, installation_id))
        for page in self._pages:
            yield tuple(User(id=name) for name in page)
        if self._error is not None:
            raise self._error

    async def account(self, access: Access) -> Account:
        raise NotImplementedError

    async def installation(self, access: Access, app_id: str, installation_id: str) -> RemoteInstallation:
        raise NotImplementedError

    async def subscription(self, access: Access, app_id: str, installation_id: str) -> Subscription:
        raise NotImplementedError

    async def trial(self, access: Access, app_id: str, installation_id: str) -> RemoteTrial:
        raise NotImplementedError

    async def answer(self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str) -> None:
        raise NotImplementedError

    async def acknowledge(self, access: Access, app_id: str, installation_id: str, client_id: str) -> None:
        raise NotImplementedError

    def forget(self, holder: str) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class Records:
    """Who is who, of nobody."""

    def __init__(self) -> None:
        self.dropped: list[tuple[str, str]] = []

    async def load(self, _namespace: str, _tenant: str) -> tuple[Piece, ...]:
        return ()

    async def save(self, namespace: str, tenant: str, pieces: Mapping[int, Piece]) -> None:
        raise NotImplementedError

    async def drop(self, namespace: str, tenant: str) -> None:
        self.dropped.append((namespace, tenant))


class Nowhere:
    """No SCIM service is asked for anything."""

    async def execute(
        self, service: ScimAddress, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def no_secret(_namespace: str, _name: str) -> None:
    """Find none."""


def licensed(talkdesk: Listed, records: Records | None = None) -> LicensedUsers:
    return LicensedUsers(talkdesk, UserSync(no_secret, records or Records(), Nowhere()))


def counting(**fields: Any) -> Scope:
    return scope(**({"app": view(users={}), "credentials": credentials()} | fields))


async def outcome(talkdesk: Listed, at: Scope) -> UsersOutcome:
    users = (await licensed(talkdesk).sync(at)).users
    assert users is not None
    return users


@pytest.mark.case(60)
async def test_a_user_on_two_pages_is_counted_once() -> None:
    talkdesk = Listed(["a", "b"], ["b", "c"], [])
    came = await outcome(talkdesk, counting())
    assert (came.licensed, came.done, came.failure) == (3, True, None)
    assert talkdesk.asked == [("app-1", "i1")]


@pytest.mark.case(60, 64)
async def test_users_are_counted_although_the_service_cannot_be_used() -> None:
    came = await outcome(Listed(["a"], ["b"]), counting(app=view(users={"scim": SCIM})))
    assert came.failure is not None
    assert (came.licensed, came.synced, came.failure.reason) == (2, 0, Reason.USERS_FAILED)


@pytest.mark.case(27)
@pytest.mark.parametrize("users", [{}, {"scim": SCIM}])
async def test_a_list_that_breaks_off_does_not_lower_the_known_count(users: dict[str, Any]) -> None:
    down = Listed(["a"], error=TalkdeskUnavailable("Talkdesk is down"))
    known = installation(status=answered(users=UsersStatus(licensed=7)))
    came = await outcome(down, counting(app=view(users=users), installation=known))
    assert came.failure is not None
    assert came.licensed == 7


@pytest.mark.case(43)
async def test_without_credentials_talkdesk_is_not_asked_for_users() -> None:
    talkdesk = Listed(["a"])
    lost = await outcome(talkdesk, counting(credentials=None))
    assert lost.failure is not None
    assert lost.failure.reason is Reason.CREDENTIALS_MISSING
    assert talkdesk.asked == []


async def test_the_user_records_are_deleted_with_the_tenant() -> None:
    records, made = Records(), tenant()
    users = licensed(Listed(), records)
    at = counting()
    assert (await users.deactivate(at)).users == UsersOutcome(0)
    await users.forget(made)
    assert records.dropped == [made.key]
