"""Well-known services, each as strict as its documentation says, with the preset of its name and without it."""

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from typing import Any

import pytest

from builders.odd_scim import OddScim, odd_scim
from builders.scim import RecordsInMemory, app_with_scim, pages, secrets_for, user
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import UsersOutcome
from talkdesk_operator.reconcilers.users.sync import UserSync

pytestmark = pytest.mark.case(60)

_NAMES = frozenset({"name.givenName", "name.familyName"})
STRICT: dict[str, dict[str, Any]] = {
    "AwsIdentityCenter": {
        "requires": _NAMES | {"displayName"},
        "refuses": frozenset({"roles"}),
        "combines": False,
        "selects": False,
    },
    "GitHub": {
        "requires": _NAMES | {"externalId", "displayName", "emails"},
        "refuses": frozenset({"roles"}),
        "combines": False,
    },
    "Atlassian": {"requires": frozenset({"emails"}), "refuses": frozenset({"roles"}), "combines": False},
    "Slack": {"requires": frozenset({"emails"}), "refuses": frozenset({"roles"})},
    "PagerDuty": {
        "requires": frozenset({"displayName"}),
        "refuses": frozenset({"roles", "emails", "name.formatted"}),
        "deletes": True,
    },
}


class Account:
    """Users at a service, by an app that says this of it."""

    def __init__(self, client: ScimClient, server: OddScim, **scim: Any) -> None:
        self.server = server
        self._app = app_with_scim(server.url, **scim)
        self._sync = UserSync(secrets_for(server.url).read, RecordsInMemory(), client, budget=timedelta(minutes=1))

    async def has(self, listed: Iterable[User]) -> UsersOutcome:
        return await self._sync.sync(self._app, "acme", {"tenant": {"name": "td-acme"}}, pages(listed), None)

    @property
    def active(self) -> list[str]:
        return sorted(each["userName"] for each in self.server.users.values() if each["active"])


@pytest.fixture
async def client() -> AsyncIterator[ScimClient]:
    made = ScimClient(proxies={})
    yield made
    await made.aclose()


def emails(*users: User) -> list[str]:
    return sorted(each.email for each in users if each.email is not None)


@pytest.mark.parametrize("preset", STRICT)
async def test_with_its_preset_a_strict_service_takes_everybody_in_every_state(client: ScimClient, preset: str) -> None:
    async with odd_scim(**STRICT[preset]) as server:
        account = Account(client, server, preset=preset)
        first, nameless, third = user(1), user(2, name=None), user(3)
        for listed in (
            [first, nameless, third],
            [user(1, name="Somebody Else"), nameless, third],
            [user(1, email="canary-new@example.com"), nameless],
            [first, nameless, third],
        ):
            outcome = await account.has(listed)
            assert (outcome.synced, outcome.failed, outcome.failure) == (len(listed), 0, None)
            assert account.active == emails(*listed)
        assert len(server.users) == 3


@pytest.mark.parametrize("preset", STRICT)
async def test_without_it_the_refusal_says_where_to_look(client: ScimClient, preset: str) -> None:
    async with odd_scim(**STRICT[preset]) as server:
        outcome = await Account(client, server).has([user(1)])
        assert outcome.failed == 1
        assert outcome.partial_failure is not None
        assert "users.scim.preset" in outcome.partial_failure.message


async def test_what_the_app_says_itself_goes_before_its_preset(client: ScimClient) -> None:
    async with odd_scim(requires=frozenset({"roles"}), selects=True) as server:
        own = {"attributes": ["externalId", "roles"], "avoid": []}
        assert (await Account(client, server, preset="AwsIdentityCenter", **own).has([user(1)])).failed == 0
        assert {"displayName", "emails", "name"}.isdisjoint(server.user(user(1).id))


async def test_users_are_replaced_and_found_by_name_where_the_app_avoids_the_rest(client: ScimClient) -> None:
    async with odd_scim() as server:
        server.users["p1"] = {"id": "p1", "userName": "canary1@example.com", "externalId": user(1).id, "active": False}
        account = Account(client, server, avoid=["Patch", "ExternalIdFilter"])
        assert (await account.has([user(1)])).synced == 1
        assert server.users["p1"]["active"] is True
        assert [line.split()[0] for line in server.seen if "p1" in line] == ["GET", "PUT"]


WITHOUT_IDS = {"refuses": frozenset({"externalId"}), "filters": frozenset({"userName"})}


@pytest.mark.parametrize("ids", [True, False])
async def test_who_comes_back_has_their_own_user_although_a_colleague_got_their_address(
    client: ScimClient, *, ids: bool
) -> None:
    attributes = ["displayName", *(["externalId"] if ids else [])]
    async with odd_scim(**({} if ids else WITHOUT_IDS)) as server:
        account = Account(client, server, attributes=attributes)
        ann, ben, renamed = user(1), user(2, email=user(1).email), user(1, email="canary-ann@example.com")
        await account.has([ann])
        await account.has([])
        assert (await account.has([ben])).failed == 0
        assert (server.users["p1"]["userName"], server.users["p1"]["displayName"]) == (ann.id, ann.name)
        assert account.active == emails(ben)
        assert (await account.has([ben, renamed])).failed == 0
        assert [each["userName"] for each in server.users.values()] == [renamed.email, ben.email]
        assert account.active == emails(ben, renamed)


@pytest.mark.parametrize("ids", [True, False])
async def test_who_was_activated_by_hand_keeps_user_and_address(client: ScimClient, *, ids: bool) -> None:
    attributes = ["displayName", *(["externalId"] if ids else [])]
    async with odd_scim(**({} if ids else WITHOUT_IDS)) as server:
        account = Account(client, server, attributes=attributes)
        await account.has([user(1)])
        await account.has([])
        server.users["p1"]["active"] = True
        before = dict(server.users["p1"])
        for _ in range(2):
            outcome = await account.has([user(2, email=user(1).email), user(3)])
            assert (outcome.synced, outcome.failed) == (1, 1)
        assert server.users["p1"] == before
