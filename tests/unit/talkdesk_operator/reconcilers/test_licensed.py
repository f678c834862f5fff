"""Licensed users are counted, or brought to the partner's service; failures of Talkdesk are values."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from builders.objects import answered, credentials, installation, scope, tenant, view
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import UsersStatus
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.scope import Scope, UsersOutcome
from talkdesk_operator.domain.talkdesk import (
    Access,
    Account,
    Decision,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskError,
    Unavailable,
    User,
)
from talkdesk_operator.reconcilers.licensed import LicensedUsers

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

    def forget(self, access: Access) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class Service:
    """A SCIM service that takes everybody."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.erased: list[str] = []

    async def sync(self, scope: Scope, pages: AsyncIterator[tuple[User, ...]]) -> UsersOutcome:
        assert scope.app is not None
        async for page in pages:
            self.seen.extend(user.id for user in page)
        return UsersOutcome(len(self.seen), synced=len(self.seen))

    async def deactivate_all(self, scope: Scope) -> UsersOutcome:
        assert scope.app is not None
        return UsersOutcome(0)

    async def erase(self, tenant: TalkdeskTenant) -> None:
        self.erased.append(tenant.metadata.name)


def counting(**fields: Any) -> Scope:
    return scope(**({"app": view(users={}), "credentials": credentials()} | fields))


async def outcome(talkdesk: Listed, at: Scope, service: Service | None = None) -> UsersOutcome:
    users = (await LicensedUsers(talkdesk, service or Service()).sync(at)).users
    assert users is not None
    return users


@pytest.mark.case(60)
async def test_a_user_on_two_pages_is_counted_once() -> None:
    talkdesk, service = Listed(["a", "b"], ["b", "c"], []), Service()
    assert await outcome(talkdesk, counting(), service) == UsersOutcome(3)
    assert talkdesk.asked == [("app-1", "i1")]
    assert service.seen == []


@pytest.mark.case(60)
async def test_where_the_app_has_a_service_the_users_are_brought_there() -> None:
    service = Service()
    came = await outcome(Listed(["a"], ["b"]), counting(app=view(users={"scim": SCIM})), service)
    assert came == UsersOutcome(2, synced=2)
    assert service.seen == ["a", "b"]


@pytest.mark.case(27)
@pytest.mark.parametrize("users", [{}, {"scim": SCIM}])
async def test_a_list_that_breaks_off_leaves_the_number_that_was_known(users: dict[str, Any]) -> None:
    down = Listed(["a"], error=Unavailable("Talkdesk is down"))
    fresh = await outcome(down, counting(app=view(users=users)))
    assert fresh.failure is not None
    assert (fresh.licensed, fresh.failure.reason) == (0, Reason.UNAVAILABLE)
    known = installation(status=answered(users=UsersStatus(licensed=7)))
    assert (await outcome(down, counting(app=view(users=users), installation=known))).licensed == 7


@pytest.mark.case(43)
async def test_without_credentials_nobody_is_asked() -> None:
    talkdesk = Listed(["a"])
    lost = await outcome(talkdesk, counting(credentials=None))
    assert lost.failure is not None
    assert lost.failure.reason is Reason.CREDENTIALS_MISSING
    assert talkdesk.asked == []


async def test_the_service_deactivates_and_forgets() -> None:
    service = Service()
    users = LicensedUsers(Listed(), service)
    at = counting()
    assert await users.deactivate(at) == replace(at, users=UsersOutcome(0))
    made = tenant()
    await users.forget(made)
    assert service.erased == [made.metadata.name]
