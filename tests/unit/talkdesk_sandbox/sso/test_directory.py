"""What the directory takes from whom, and what a tenant's app learns from it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.sso import AppSettings, Directory, Standing, directory_client

HOOK, LOGOUT = WebhookSecrets.read("key of the http step"), WebhookSecrets.read("key of logouts")
SCIM_TOKEN = "made-up-scim-token"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://directory.example.com"


@dataclass
class Place:
    """A directory, and everybody who speaks to it."""

    directory: Directory
    http: httpx.AsyncClient

    async def provision(self, tenant: str, account: str, *, key: str = "1", state: str = "Active") -> httpx.Response:
        body = {
            "tenant": {"id": tenant, "name": f"td-{account}", "values": {"domain": "apps.example.com"}},
            "state": state,
            "generation": 1,
            "account": {"id": account},
            "installation": {"id": f"installation-of-{account}"},
        }
        return await self.signed("PUT", f"/v1/tenants/{tenant}", HOOK, f"{tenant}-{key}", body)

    async def logout(
        self, user: str = "user-1", at: str = "2026-03-01T11:59:00Z", *, event: str = "event-1", **changes: Any
    ) -> httpx.Response:
        data = {"account_id": "acme", "user_id": user, "user_email": "a@example.com", "installation_id": "i"}
        body = {"id": event, "type": "user.logout", "created_at": at, "data": data} | changes
        return await self.signed("POST", "/single-logout", LOGOUT, event, body)

    async def signed(
        self, method: str, path: str, keys: WebhookSecrets, message: str, body: Any, at: datetime = NOW
    ) -> httpx.Response:
        raw = json.dumps(body).encode()
        return await self.http.request(method, path, content=raw, headers=keys.headers(message, at, raw))

    async def scim(self, tenant: str, user: str, *, active: bool = True, token: str = SCIM_TOKEN) -> httpx.Response:
        body = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": f"{user}@example.com",
            "externalId": user,
            "active": active,
        }
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
        return await self.http.post(f"/{tenant}/scim/v2/Users", json=body, headers=headers)

    async def standing(self, tenant: str, token: str, user: str = "user-1") -> Standing:
        settings = AppSettings(
            issuer="i",
            client_id="c",
            jwks_url="j",
            directory_url=URL,
            directory_tenant=tenant,
            directory_token=token,
        )
        return await directory_client(settings, self.http)(user)


@asynccontextmanager
async def opened(database: Path) -> AsyncIterator[Place]:
    directory = Directory(
        database, hook_keys=HOOK.keys, logout_keys=LOGOUT.keys, scim_token=SCIM_TOKEN, clock=NOW.timestamp
    )
    transport = httpx.ASGITransport(directory.app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
        yield Place(directory, http)
    directory.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(tmp_path / "sso.db") as made:
        yield made


async def secrets_of(place: Place, tenant: str, account: str, key: str = "1") -> dict[str, str]:
    answer = await place.provision(tenant, account, key=key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"] == {"tenant": tenant}
    found: dict[str, str] = answer.json()["secrets"]
    return found


async def test_a_tenant_keeps_its_secrets_and_shares_them_with_nobody(place: Place) -> None:
    first = await secrets_of(place, "sso-acme", "acme")
    assert await secrets_of(place, "sso-acme", "acme", key="2") == first
    other = await secrets_of(place, "sso-beta", "beta")
    assert not set(first.values()) & set(other.values())
    assert len(first["cookieSecret"]) == 43, "32 bytes in base64 without padding"


async def test_who_is_licensed_is_what_scim_said_last_and_each_tenants_own_affair(place: Place) -> None:
    acme, beta = await secrets_of(place, "sso-acme", "acme"), await secrets_of(place, "sso-beta", "beta")
    assert not (await place.standing("sso-acme", acme["token"])).licensed
    assert (await place.scim("td-acme", "user-1")).status_code == 201
    assert (await place.scim("td-acme", "user-2", active=False)).status_code == 201
    assert (await place.standing("sso-acme", acme["token"])).licensed
    assert not (await place.standing("sso-acme", acme["token"], "user-2")).licensed
    assert not (await place.standing("sso-beta", beta["token"])).licensed


async def test_users_are_changed_with_the_token_of_scim_alone(place: Place) -> None:
    acme = await secrets_of(place, "sso-acme", "acme")
    for token in ("", "a guess", acme["token"]):
        assert (await place.scim("td-acme", "user-1", token=token)).status_code == 401
    assert not (await place.standing("sso-acme", acme["token"])).licensed


async def test_an_app_asks_with_its_own_tenants_token_alone(place: Place) -> None:
    acme, beta = await secrets_of(place, "sso-acme", "acme"), await secrets_of(place, "sso-beta", "beta")
    for tenant, token in (("sso-acme", beta["token"]), ("sso-acme", ""), ("nobody", acme["token"])):
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            await place.standing(tenant, token)


async def test_a_logout_counts_once_however_often_and_late_it_comes(place: Place) -> None:
    token = (await secrets_of(place, "sso-acme", "acme"))["token"]
    assert (await place.standing("sso-acme", token)).loggedOutTime is None
    newest = datetime(2026, 3, 1, 11, 59, tzinfo=UTC).timestamp()
    for at in ("2026-03-01T11:59:00.000+00:00", "2026-03-01T11:59:00Z", "2026-03-01T09:00:00Z"):
        assert (await place.logout(at=at)).status_code == 204
        assert (await place.standing("sso-acme", token)).loggedOutTime == newest
    assert (await place.standing("sso-acme", token, "user-2")).loggedOutTime is None


async def test_a_logout_is_remembered_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path / "sso.db") as before:
        token = (await secrets_of(before, "sso-acme", "acme"))["token"]
        await before.logout()
    async with opened(tmp_path / "sso.db") as after:
        assert (await after.standing("sso-acme", token)).loggedOutTime is not None


@pytest.mark.parametrize("at", ["2027-01-01T00:00:00Z", "soon", None, 7])
async def test_a_logout_whose_time_cant_be_believed_counts_from_now(place: Place, at: Any) -> None:
    token = (await secrets_of(place, "sso-acme", "acme"))["token"]
    assert (await place.logout(at=at)).status_code == 204
    assert (await place.standing("sso-acme", token)).loggedOutTime == NOW.timestamp()


@pytest.mark.parametrize(
    "changes",
    [{"type": "app.installed"}, {"data": {}}, {"data": None}, {"data": {"account_id": 1, "user_id": "u"}}],
)
async def test_what_is_no_logout_is_refused(place: Place, changes: dict[str, Any]) -> None:
    assert (await place.logout(**changes)).status_code == 400


async def test_a_logout_that_is_not_signed_for_logouts_or_old_logs_nobody_out(place: Place) -> None:
    token = (await secrets_of(place, "sso-acme", "acme"))["token"]
    data = {"account_id": "acme", "user_id": "user-1"}
    body = {"id": "event-1", "type": "user.logout", "created_at": "2026-03-01T11:59:00Z", "data": data}
    old = datetime(2026, 3, 1, 11, tzinfo=UTC)
    for keys, at in ((HOOK, NOW), (LOGOUT, old)):
        assert (await place.signed("POST", "/single-logout", keys, "event-1", body, at)).status_code == 401
    assert (await place.http.post("/single-logout", json=body)).status_code == 401
    assert (await place.http.post("/single-logout", content=b" " * 1_048_577)).status_code == 413
    assert (await place.standing("sso-acme", token)).loggedOutTime is None


async def test_a_launch_leads_to_the_customers_own_address_and_nowhere_else(place: Place) -> None:
    await secrets_of(place, "sso-acme", "acme")
    hints = {"talkdesk_installation_id": "installation-of-acme", "talkdesk_user_id": "user-1"}
    led = await place.http.get("/launch", params=hints | {"rd": "https://evil.example"})
    assert led.headers["location"] == (
        "https://td-acme.apps.example.com/?talkdesk_installation_id=installation-of-acme&talkdesk_user_id=user-1"
    )
    for unknown in ({}, {"talkdesk_installation_id": "https://evil.example"}):
        assert (await place.http.get("/launch", params=unknown)).status_code == 404


async def test_an_app_does_not_believe_what_is_no_answer_of_a_directory() -> None:
    settings = AppSettings(
        issuer="i", client_id="c", jwks_url="j", directory_url=URL, directory_tenant="t", directory_token="t"
    )
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text='{"licensed": "perhaps"}'))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.HTTPError):
            await directory_client(settings, http)("user-1")
