"""What a person can do to our objects: pause, ask for a look, ask for a purge; and read what happened."""

import pytest

from builders.conditions import message
from builders.stack import TENANT, Customer, Stacks
from builders.stack_manifests import NAMESPACE
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeInvalid
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SSO = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings", "namespace": "${tenant.name}"},
    "data": {
        "authorization": "${sso.authorizationUrl}",
        "token": "${sso.tokenUrl}",
        "issuer": "${sso.issuer}",
        "client": "${sso.clientId}",
        "scopes": "${sso.scopes.join(' ')}",
        "admin": "${installation.createdBy}",
    },
}


@pytest.mark.case(51)
async def test_a_paused_app_and_a_paused_tenant_are_left_alone_and_go_on_afterwards(stacks: Stacks) -> None:
    async with stacks(paused=True) as talkdesk:
        acme = await talkdesk.install()
        held = await acme.becomes("Paused")
        assert f"TalkdeskApp {talkdesk.app}" in message(held, "Ready")
        assert acme.tenant is None
        await talkdesk.change_app(paused=False)
        await acme.becomes("Active")

        await acme.patch({"op": "add", "path": "/spec/paused", "value": True}, kind=TENANT)
        held = await acme.becomes("Paused")
        assert f"TalkdeskTenant {acme.tenant_name}" in message(held, "Ready")
        await talkdesk.platform.kubectl("delete", "configmap", "settings", "--namespace", acme.home)
        await acme.looked_at()
        assert await acme.live("ConfigMap", "settings") is None

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False}, kind=TENANT)
        await acme.becomes("Active")
        assert await acme.live("ConfigMap", "settings") is not None


async def test_a_look_that_a_person_asks_for_at_the_tenant_puts_right_what_nobody_may_watch(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await talkdesk.platform.kubectl("delete", "secret", "talkdesk", "--namespace", acme.home)

        await talkdesk.platform.kubectl("annotate", "tdt", acme.tenant_name, f"{GROUP}/reconcile-requested-at=now")

        await acme.tenant_until(
            lambda held: held and held["status"].get("lastHandledReconcileAt") == "now", "take the look"
        )
        assert await acme.live("Secret", "talkdesk") is not None


@pytest.mark.case(41)
async def test_a_purge_that_a_person_asks_for_ends_the_retention_and_says_who_it_was(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        with pytest.raises(KubeInvalid, match="only an offboarded tenant can be purged"):
            await _purge(acme)
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        talkdesk.may_delete.add(acme.account_id)
        await acme.patch({"op": "add", "path": "/spec/deletionProtection", "value": True}, kind=TENANT)
        with pytest.raises(KubeInvalid, match="deletionProtection is true"):
            await _purge(acme)
        await acme.patch({"op": "replace", "path": "/spec/deletionProtection", "value": False}, kind=TENANT)

        await _purge(acme)

        await acme.tenant_until(lambda held: held is None, "be purged")
        held = await acme.becomes("Purged")
        assert "accountName" not in held["spec"]
        told = await talkdesk.platform.kubectl("get", "events", "--output=jsonpath={.items[*].message}")
        assert "as ada@example.com asked" in told

        again = await acme.reinstall()
        await again.becomes("Active")


async def _purge(acme: Customer) -> None:
    path = resource_path(GROUP, VERSION, "talkdesktenants", acme.stack.namespace, acme.tenant_name)
    body = {"spec": {"purge": {"requestedBy": "ada@example.com"}}}
    await acme.stack.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)


async def test_history_and_events_tell_the_life_of_an_installation(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.settles("Active")
        await acme.uninstall()
        await acme.settles("Uninstalled")

        history = [(step["what"], step["why"]) for step in acme.installation["status"]["history"]]
        assert [what for what, _ in history] == ["Active", "Uninstalled"]
        assert history[0][1].startswith("Succeeded: ")


async def test_a_tenant_gets_what_its_sign_on_needs_and_who_its_first_administrator_is(stacks: Stacks) -> None:
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, SSO]}]) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        live = await acme.live("ConfigMap", "settings")
        assert live is not None
        data, (event,) = live["data"], acme.events("app.installed")
        links = event.document["_links"]
        assert data["authorization"] == links["authorization"]["href"]
        assert data["token"] == links["tokens"]["href"]
        assert data["token"].startswith(data["issuer"])
        assert data["client"] == event.document["data"]["client_id"]
        assert data["scopes"].split()[0] == "openid"
        assert data["admin"] == acme.at_talkdesk.created_by.id


@pytest.mark.case(60)
async def test_licensed_users_are_counted_by_what_talkdesk_lists_not_by_deltas(stacks: Stacks) -> None:
    async with stacks(users={}) as talkdesk:
        talkdesk.behave(page_size=2)
        acme = await talkdesk.install(users=5)
        held = await acme.becomes("Active")
        assert held["status"]["users"]["licensed"] == 5

        update = commands.Update(installation=acme.installation_id, adding=3)
        await talkdesk.delivered(talkdesk.simulator.update(update))
        await acme.until(lambda held: held["status"]["users"]["licensed"] == 8, "know of the new users")
        assert len(acme.at_talkdesk.answers) == 2
        shown = await talkdesk.platform.kubectl("get", "tdi", acme.name, "--output=wide")
        assert " 8 " in shown
