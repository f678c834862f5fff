"""The licensed users of a customer are synced to the partner's SCIM service."""

import base64
import re
from typing import Any

import pytest

from builders.conditions import condition, reason
from builders.stack import Customer, Stacks
from builders.stack_scim import active, with_scim
from builders.watched import Object
from talkdesk_crds.names import GROUP
from talkdesk_runtime.kube import resource_path
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _is_admin(user: dict[str, Any]) -> bool:
    return any(role.get("value") == "admin" for role in user.get("roles") or ())


def _synced(obj: Object, number: int) -> bool:
    users = obj.get("status", {}).get("users", {})
    return bool(users.get("synced") == users.get("licensed") == number)


@pytest.mark.case(17, 18, 60)
async def test_users_are_synced_at_the_install_and_each_update_and_deactivated_at_the_uninstall(stacks: Stacks) -> None:
    async with with_scim(stacks) as (talkdesk, scim):
        talkdesk.behave(page_size=2)
        acme = await talkdesk.install(users=3)
        obj = await acme.becomes("Active")
        assert condition(obj, "UsersSynced") == "True"
        assert obj["status"]["users"] == {"licensed": 3, "synced": 3, "failed": 0, "complete": True}
        licensed = set(acme.at_talkdesk.users)
        assert active(scim) == licensed
        admins = [user["externalId"] for user in scim.users() if _is_admin(user)]
        assert admins == [acme.at_talkdesk.created_by.id]

        removed = min(licensed - set(admins))
        update = commands.Update(installation=acme.installation_id, adding=2, removing=(removed,))
        await talkdesk.delivered(talkdesk.simulator.update(update))
        obj = await acme.until(lambda obj: _synced(obj, 4), "have the changed users synced")
        assert active(scim) == set(acme.at_talkdesk.users)
        assert re.findall(r"\d+", obj["spec"]["request"]["changes"])[:2] == ["2", "1"]
        assert len(scim.users()) == 5

        writes = scim.count("POST") + scim.count("PATCH") + scim.count("PUT")
        await acme.request_reconcile()
        assert scim.count("POST") + scim.count("PATCH") + scim.count("PUT") == writes

        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert active(scim) == set()
        assert len(scim.users()) == 5


@pytest.mark.case(61)
async def test_names_and_addresses_of_users_are_nowhere_in_the_cluster(stacks: Stacks) -> None:
    async with with_scim(stacks) as (talkdesk, scim):
        acme = await talkdesk.install(users=3)
        await acme.becomes("Active")
        people = talkdesk.simulator.state.accounts[acme.account_id].users.values()
        words = {word.encode() for user in people for word in (user.email, user.name) if word}
        assert words

        path = resource_path("", "v1", "secrets", talkdesk.namespace)
        listing = await talkdesk.platform.kube.request("GET", path)
        stored = [
            base64.b64decode(value) for secret in listing["items"] for value in (secret.get("data") or {}).values()
        ]
        assert not [word for word in words for value in stored if word in value]
        talkdesk.platform.canaries |= {user.email.encode() for user in people}
        assert scim.users()


@pytest.mark.case(64)
async def test_a_scim_service_that_is_down_delays_the_answer_and_is_tried_again(stacks: Stacks) -> None:
    async with with_scim(stacks) as (talkdesk, scim):
        await talkdesk.change_app(users={"scim": {"url": "http://127.0.0.1:9"}})
        acme = await talkdesk.install()
        obj = await acme.until(
            lambda obj: reason(obj, "UsersSynced") == "ScimUnavailable", "report that the service is unavailable"
        )
        assert acme.answer_calls() == []
        assert condition(obj, "Ready") == "False"

        await talkdesk.change_app(users={"scim": {"url": scim.url}})

        await acme.becomes("Active")
        assert active(scim) == set(acme.at_talkdesk.users)


@pytest.mark.case(40, 41)
async def test_the_purge_deletes_the_user_record(stacks: Stacks) -> None:
    async with with_scim(stacks) as (talkdesk, _):
        await talkdesk.change_app(at_once=True, retention={"keepFor": "1s"})
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert await _records(acme)

        await acme.uninstall()
        await acme.becomes("Purged")

        assert await _records(acme) == []


async def _records(acme: Customer) -> list[str]:
    path = resource_path("", "v1", "secrets", acme.stack.namespace)
    query = {"labelSelector": f"{GROUP}/tenant={acme.tenant_name}"}
    listing = await acme.stack.platform.kube.request("GET", path, query=query)
    return [secret["metadata"]["name"] for secret in listing["items"]]
