"""Steps that only some customers get, and steps for each element of a list."""

from typing import Any

import pytest

from builders.conditions import condition
from builders.stack import TENANT, Stacks
from builders.stack_manifests import NAMESPACE, STEPS, config_map
from talkdesk_sandbox.simulator import commands

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(68)]


EXTRAS = {
    "name": "extras",
    "includeWhen": "subscription.name == 'Gold'",
    "onRemove": "Delete",
    "manifests": [config_map({}, name="extra")],
}
QUEUES = {
    "name": "queues",
    "forEach": "tenant.values.queues",
    "onRemove": "Delete",
    "manifests": [config_map({}, name="${'queue-' + item}")],
}
TEMPLATE = {
    "values": {"queues": ["calls", "chats"]},
    "steps": [{"name": "base", "manifests": [NAMESPACE]}, EXTRAS, QUEUES, *STEPS[2:]],
}


async def test_a_step_comes_and_goes_with_the_plan(stacks: Stacks) -> None:
    async with stacks(tenant=TEMPLATE) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert _state(acme.tenant, "extras") == "Skipped"
        assert await acme.live("ConfigMap", "extra") is None

        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Gold"))
        await acme.tenant_until(lambda obj: _state(obj, "extras") == "Ready", "get the plan's extras")
        assert await acme.live("ConfigMap", "extra") is not None

        talkdesk.may_lose_objects.add(acme.account_id)
        talkdesk.simulator.update(commands.Update(installation=acme.installation_id, plan="Silver"))
        await acme.tenant_until(lambda obj: _state(obj, "extras") == "Skipped", "lose the plan's extras")
        await acme.tenant_until(lambda obj: not _recorded(obj, "extra"), "delete what left it")
        assert await acme.live("ConfigMap", "extra") is None


async def test_objects_follow_the_elements_of_a_list_by_name_and_a_bad_list_changes_nothing(stacks: Stacks) -> None:
    async with stacks(tenant=TEMPLATE) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        chats = await acme.uid("ConfigMap", "queue-chats")

        talkdesk.may_lose_objects.add(acme.account_id)
        await acme.patch({"op": "add", "path": "/spec/values", "value": {"queues": ["chats", "mail"]}}, kind=TENANT)
        await acme.tenant_until(lambda obj: _recorded(obj, "queue-mail") and _ready(obj), "get the new queue")
        await acme.tenant_until(lambda obj: not _recorded(obj, "queue-calls"), "lose the old queue")
        assert await acme.uid("ConfigMap", "queue-chats") == chats
        assert await acme.live("ConfigMap", "queue-calls") is None

        await acme.patch({"op": "replace", "path": "/spec/values", "value": {"queues": "chats"}}, kind=TENANT)
        await acme.tenant_until(lambda obj: "forEach: must give a list" in _message(obj), "say what is wrong")
        assert await acme.uid("ConfigMap", "queue-chats") == chats


def _state(obj: Any, step: str) -> str:
    return next((str(each["state"]) for each in obj["status"].get("steps", ()) if each["name"] == step), "")


def _recorded(obj: Any, name: str) -> bool:
    return any(each["name"] == name for each in obj["status"].get("inventory", ()))


def _ready(obj: Any) -> bool:
    return condition(obj, "Ready") == "True"


def _message(obj: Any) -> str:
    return next((str(each["message"]) for each in obj["status"]["conditions"] if each["type"] == "Ready"), "")
