"""Users at SCIM services that others wrote, each as a process of its own, with all that it does in its own way."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from builders.python_path import path_with_builders
from builders.scim import TOKEN, RecordsInMemory, app_with_scim, pages, secrets_for, user
from talkdesk_operator.adapters.scim import ScimClient
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import UsersOutcome
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_sandbox.scim import ScimServer, ScimSettings

pytestmark = pytest.mark.case(60)

WITHIN = 60.0
"""Seconds; two on an idle machine."""
DJANGO = ("django-scim2", "django-scim2-server")
SERVICES = (*DJANGO, "scim2-server")
NAMES = ["externalId", "displayName", "name.formatted", "name.givenName", "name.familyName", "emails"]


@asynccontextmanager
async def serving(name: str, folder: Path) -> AsyncIterator[str]:
    """Run a service; yield its URL."""
    if name not in DJANGO:
        async with ScimServer(ScimSettings(token=SecretStr(TOKEN))) as server:
            yield server.url
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "builders.foreign_django", name, str(folder)),
        env={**os.environ, "PYTHONPATH": path_with_builders()},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN):
            url = (await process.stdout.readline()).decode().strip()
        assert url, f"{name} has ended"
        yield url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass
class Account:
    """Users at a service, and what is on record of them."""

    url: str
    client: ScimClient
    records: RecordsInMemory = field(default_factory=RecordsInMemory)

    async def has(self, listed: Iterable[User]) -> UsersOutcome:
        """Bring these users there; all of them are taken."""
        wanted = list(listed)
        outcome = await self._sync.sync(self._app, "acme", {}, pages(wanted), None)
        assert (outcome.synced, outcome.failed, outcome.failure) == (len(wanted), 0, None), outcome
        return outcome

    async def has_nobody(self) -> None:
        outcome = await self._sync.deactivate_all(self._app, "acme", {})
        assert outcome.failure is None, outcome

    async def users(self) -> list[dict[str, Any]]:
        """All users, as anybody who asks sees them."""
        found: list[dict[str, Any]] = (await self._ask("GET", "Users?startIndex=1&count=50"))["Resources"]
        return found

    async def active(self) -> list[str]:
        return sorted(each["userName"] for each in await self.users() if each["active"])

    async def make(self, **content: Any) -> dict[str, Any]:
        """Make a user by hand."""
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "active": True} | content
        return await self._ask("POST", "Users", json=body)

    async def remove(self, user_id: str) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            (await client.delete(f"{self.url}/Users/{user_id}")).raise_for_status()

    async def _ask(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            answer = await client.request(method, f"{self.url}/{path}", **how)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content

    @property
    def _app(self) -> Any:
        return app_with_scim(self.url, attributes=NAMES)

    @property
    def _sync(self) -> UserSync:
        return UserSync(secrets_for(self.url).read, self.records, self.client, budget=timedelta(minutes=5))


@pytest.fixture(params=SERVICES)
async def account(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Account]:
    client = ScimClient(proxies={})
    async with serving(request.param, tmp_path) as url:
        yield Account(url, client)
    await client.aclose()


def emails(*users: User) -> list[str]:
    return sorted(str(each.email) for each in users)


ONE, TWO, THREE, FOUR = (user(number) for number in (1, 2, 3, 4))


async def test_users_are_created_once_changed_deactivated_and_brought_back(account: Account) -> None:
    await account.has([ONE, TWO, THREE])
    account.records.kept.clear()
    await account.has([ONE, TWO, THREE])
    assert len(await account.users()) == 3
    await account.has([user(1, name="Somebody Else"), TWO])
    assert await account.active() == emails(ONE, TWO)
    (first,) = [each for each in await account.users() if each["userName"] == ONE.email]
    assert (first["name"]["givenName"], first["name"]["familyName"]) == ("Somebody", "Else")
    await account.has_nobody()
    assert await account.active() == []
    await account.has([ONE, TWO, THREE])
    assert await account.active() == emails(ONE, TWO, THREE)
    assert len(await account.users()) == 3


async def test_two_users_may_exchange_their_addresses(account: Account) -> None:
    await account.has([ONE, TWO])
    before = {each["userName"]: each["id"] for each in await account.users()}
    await account.has([user(1, email=TWO.email), user(2, email=ONE.email)])
    after = {each["userName"]: each["id"] for each in await account.users()}
    assert (after[ONE.email], after[TWO.email]) == (before[TWO.email], before[ONE.email])


async def test_a_person_who_was_made_anew_in_talkdesk_is_a_new_user(account: Account) -> None:
    await account.has([ONE, TWO])
    await account.has([user(9, email=ONE.email), TWO])
    assert await account.active() == emails(ONE, TWO)
    assert sorted(each["userName"] for each in await account.users()) == sorted([ONE.id, *emails(ONE, TWO)])


async def test_a_user_that_was_made_by_hand_becomes_ours_and_somebody_elses_stays_as_it_is(account: Account) -> None:
    await account.make(userName=ONE.email, emails=[{"value": ONE.email, "primary": True}])
    theirs = await account.make(userName="theirs@example.com", externalId="theirs")
    await account.has([ONE, TWO])
    by_id = {each["id"]: each for each in await account.users()}
    assert len(by_id) == 3
    assert by_id[theirs["id"]]["userName"] == "theirs@example.com"
    assert sorted(each.get("externalId") or "" for each in by_id.values()) == sorted([ONE.id, TWO.id, "theirs"])


async def test_a_user_who_was_deleted_there_is_made_anew(account: Account) -> None:
    await account.has([ONE, TWO])
    (first,) = [each for each in await account.users() if each["userName"] == ONE.email]
    await account.remove(first["id"])
    await account.has([user(1, name="Ana New"), TWO])
    assert await account.active() == emails(ONE, TWO)
