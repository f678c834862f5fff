"""What a person can do with our objects: pause them, request a reconcile or a purge, and read what happened."""

import pytest

from builders.conditions import message, reason
from builders.stack import TENANT, Customer, Stacks
from builders.stack_manifests import NAMESPACE, config_map
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeInvalid
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

SSO = config_map(
    {
        "authorization": "${sso.authorizationUrl}",
        "token": "${sso.tokenUrl}",
        "issuer": "${sso.issuer}",
        "client": "${sso.clientId}",
        "scopes": "${sso.scopes.join(' ')}",
        "admin": "${installation.createdBy}",
    }
)


@pytest.mark.case(51)
async def test_a_paused_app_or_tenant_is_not_reconciled_until_it_is_resumed(stacks: Stacks) -> None:
    async with stacks(paused=True) as talkdesk:
        acme = await talkdesk.install()
        obj = await acme.becomes("Paused")
        assert reason(obj, "Ready") == "Paused"
        assert "TalkdeskApp" in message(obj, "Ready")
        assert talkdesk.app in message(obj, "Ready")
        assert acme.tenant is None
        await talkdesk.change_app(paused=False)
        await acme.becomes("Active")

        await acme.patch({"op": "add", "path": "/spec/paused", "value": True}, kind=TENANT)
        obj = await acme.becomes("Paused")
        assert reason(obj, "Ready") == "Paused"
        assert "TalkdeskTenant" in message(obj, "Ready")
        assert acme.tenant_name in message(obj, "Ready")
        await talkdesk.platform.kubectl("delete", "configmap", "settings", "--namespace", acme.tenant_namespace)
        await acme.request_reconcile()
        assert await acme.live("ConfigMap", "settings") is None

        await acme.patch({"op": "replace", "path": "/spec/paused", "value": False}, kind=TENANT)
        await acme.becomes("Active")
        assert await acme.live("ConfigMap", "settings") is not None


async def test_a_reconcile_requested_at_the_tenant_restores_an_object_that_may_not_be_watched(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await talkdesk.platform.kubectl("delete", "secret", "talkdesk", "--namespace", acme.tenant_namespace)

        await talkdesk.platform.kubectl("annotate", "tdt", acme.tenant_name, f"{GROUP}/reconcile-requested-at=now")

        await acme.tenant_until(
            lambda obj: obj and obj["status"].get("lastHandledReconcileAt") == "now", "be reconciled"
        )
        assert await acme.live("Secret", "talkdesk") is not None


@pytest.mark.case(41)
async def test_a_purge_requested_by_a_person_ends_the_retention_and_an_event_names_the_person(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        with pytest.raises(KubeInvalid, match=r"spec\.purge"):
            await _purge(acme)
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        talkdesk.may_lose_objects.add(acme.account_id)
        await acme.patch({"op": "add", "path": "/spec/deletionProtection", "value": True}, kind=TENANT)
        with pytest.raises(KubeInvalid, match="deletionProtection"):
            await _purge(acme)
        await acme.patch({"op": "replace", "path": "/spec/deletionProtection", "value": False}, kind=TENANT)

        await _purge(acme)

        await acme.tenant_until(lambda obj: obj is None, "be purged")
        obj = await acme.becomes("Purged")
        assert "accountName" not in obj["spec"]
        events = await talkdesk.platform.kubectl(
            "get", "events", "--field-selector=reason=PurgeRequested", "--output=jsonpath={.items[*].message}"
        )
        assert "ada@example.com" in events

        again = await acme.reinstall()
        await again.becomes("Active")


async def _purge(acme: Customer) -> None:
    path = resource_path(GROUP, VERSION, "talkdesktenants", acme.stack.namespace, acme.tenant_name)
    body = {"spec": {"purge": {"requestedBy": "ada@example.com"}}}
    await acme.stack.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)


async def test_the_history_lists_the_phases_of_an_installation_and_their_reasons(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.converges("Active")
        await acme.uninstall()
        await acme.converges("Uninstalled")

        history = [(step["reason"], step["message"]) for step in acme.installation["status"]["history"]]
        assert [what for what, _ in history] == ["Active", "Uninstalled"]
        assert [why.partition(":")[0] for _, why in history] == ["Succeeded", "Uninstalled"]


async def test_a_template_gets_the_sign_on_endpoints_and_the_id_of_the_first_administrator(stacks: Stacks) -> None:
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, SSO]}]) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

        live = await acme.existing("ConfigMap", "settings")
        data, (event,) = live["data"], acme.events("app.installed")
        links = event.document["_links"]
        assert data["authorization"] == links["authorization"]["href"]
        assert data["token"] == links["tokens"]["href"]
        assert data["token"].startswith(data["issuer"])
        assert data["client"] == event.document["data"]["client_id"]
        assert data["scopes"].split()[0] == "openid"
        assert data["admin"] == acme.at_talkdesk.created_by.id


@pytest.mark.case(60)
async def test_licensed_users_are_counted_in_talkdesks_list_and_not_from_the_events(stacks: Stacks) -> None:
    async with stacks(users={}) as talkdesk:
        talkdesk.behave(page_size=2)
        acme = await talkdesk.install(users=5)
        obj = await acme.becomes("Active")
        assert obj["status"]["users"]["licensed"] == 5

        update = commands.Update(installation=acme.installation_id, adding=3)
        await talkdesk.delivered(talkdesk.simulator.update(update))
        await acme.until(lambda obj: obj["status"]["users"]["licensed"] == 8, "count the new users")
        assert len(acme.at_talkdesk.answers) == 2
        printed = await talkdesk.platform.kubectl("get", "tdi", acme.name, "--output=wide")
        assert " 8 " in printed
