"""Names of objects come from ids; the name of an account is only ever a value."""

import pytest

from builders.conditions import message, reason
from builders.serving import until
from builders.stack import Customer, Stacks
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNT_NAMES = {
    "unicode": "Café Ünïcode 株式会社",
    "emoji": "🦄-farm",
    "quotes": """it's "quoted" \\ back""",
    "expression": "${account.id} {{x}}",
    "newline": "first\nsecond",
    "yaml": "a: [b, {c}] # no",
    "300 characters": "x" * 300,
}
UNUSUAL_IDS = {"signs": "Upper_Case.And/Slash", "letters": "ünï", "a dash": "-", "long": "y" * 100}


@pytest.mark.case(57)
@pytest.mark.parametrize("name", ACCOUNT_NAMES.values(), ids=ACCOUNT_NAMES)
async def test_an_account_name_of_any_characters_is_only_ever_a_value(stacks: Stacks, name: str) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(name)

        obj = await acme.becomes("Active")

        settings = await acme.existing("ConfigMap", "settings")
        assert settings["data"]["account"] == name
        assert obj["spec"]["accountName"] == obj["status"]["account"]["name"] == name


@pytest.mark.case(57)
@pytest.mark.parametrize("account_id", UNUSUAL_IDS.values(), ids=UNUSUAL_IDS)
async def test_account_ids_that_are_no_dns_labels_still_give_valid_names(stacks: Stacks, account_id: str) -> None:
    async with stacks() as talkdesk:
        # The suffix tells them apart from those of other tests, whose tenants may still be in deletion.
        acme = await talkdesk.install(account_id=f"{account_id}{talkdesk.app}")

        await acme.becomes("Active")

        assert acme.tenant is not None
        names = {item["namespace"] or item["name"] for item in acme.tenant["status"]["inventory"]}
        assert names == {acme.tenant["spec"]["name"]}
        assert acme.tenant["spec"]["name"].startswith("td-")
        await acme.uninstall()
        await acme.becomes("Uninstalled")


@pytest.mark.case(58)
async def test_a_renamed_account_keeps_its_tenant_and_objects(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install("before")
        await acme.becomes("Active")
        tenant, namespace = acme.tenant, await acme.existing("Namespace")

        talkdesk.simulator.rename(commands.Rename(account="before", name="after"))
        await until(lambda: _has_account_name(acme, "after"), within=90)

        await acme.until(lambda obj: obj["status"]["account"]["name"] == "after", "show the new name")
        assert tenant is not None
        assert acme.tenant is not None
        assert acme.tenant["metadata"]["uid"] == tenant["metadata"]["uid"]
        assert acme.tenant["spec"] == tenant["spec"]
        assert await acme.live("Namespace") == namespace


@pytest.mark.case(59)
async def test_account_ids_that_are_prefixes_of_one_another_never_give_the_same_name(stacks: Stacks) -> None:
    ids = ["a", "a-b", "a-b-c", "b-c", "A", "a.b", "a_b"]
    async with stacks() as talkdesk:
        customers = [await talkdesk.install(account_id=f"{talkdesk.app}{account_id}") for account_id in ids]
        for customer in customers:
            await customer.becomes("Active")

        assert len({customer.tenant_name for customer in customers}) == len(ids)
        assert len({customer.tenant["spec"]["name"] for customer in customers if customer.tenant}) == len(ids)


@pytest.mark.case(69)
async def test_of_two_apps_that_give_their_tenants_one_name_the_second_gets_a_conflict_and_touches_nothing(
    stacks: Stacks,
) -> None:
    async with stacks() as first, stacks(uninstall={"offboardTimeout": "2s"}) as second:
        acme = await first.install()
        await acme.becomes("Active")
        before = await acme.existing("Namespace"), await acme.existing("ConfigMap", "settings")

        other = await second.install(account_id=acme.account_id)
        assert (other.tenant_namespace, other.tenant_name) == (acme.tenant_namespace, f"{second.app}-{acme.account_id}")
        second.may_stay_unanswered.add(other.account_id)
        obj = await other.until(lambda obj: reason(obj, "TenantReady") == "Conflict", "report the conflict")
        assert acme.tenant_namespace in message(obj, "TenantReady")
        assert other.answer_calls() == []

        await other.uninstall()
        await other.becomes("Uninstalled")
        assert (await acme.existing("Namespace"), await acme.existing("ConfigMap", "settings")) == before
        assert await acme.live("Secret", "talkdesk") is not None


async def _has_account_name(acme: Customer, name: str) -> bool:
    obj = await acme.live("ConfigMap", "settings")
    return obj is not None and obj["data"]["account"] == name
