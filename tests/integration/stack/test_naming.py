"""Names come from ids; what customers call themselves is only ever a value."""

import pytest

from builders.serving import until
from builders.stack import Customer, Stacks
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

WILD = {
    "unicode": "Café Ünïcode 株式会社",
    "emoji": "🦄-farm",
    "quotes": """it's "quoted" \\ back""",
    "expression": "${account.id} {{x}}",
    "newline": "first\nsecond",
    "yaml": "a: [b, {c}] # no",
    "300 characters": "x" * 300,
}
ODD_IDS = {"signs": "Upper_Case.And/Slash", "letters": "ünï", "a dash": "-", "long": "y" * 100}


@pytest.mark.case(57)
@pytest.mark.parametrize("name", WILD.values(), ids=WILD)
async def test_a_wild_account_name_is_nothing_but_a_value(stacks: Stacks, name: str) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(name)

        held = await acme.becomes("Active")

        settings = await acme.live("ConfigMap", "settings")
        assert settings is not None
        assert settings["data"]["account"] == name
        assert held["spec"]["accountName"] == held["status"]["account"]["name"] == name


@pytest.mark.case(57)
@pytest.mark.parametrize("account_id", ODD_IDS.values(), ids=ODD_IDS)
async def test_ids_that_are_no_dns_labels_still_give_names(stacks: Stacks, account_id: str) -> None:
    async with stacks() as talkdesk:
        # The end tells them apart from those of other tests, whose tenants may still be going.
        acme = await talkdesk.install(account_id=f"{account_id}{talkdesk.app}")

        await acme.becomes("Active")

        assert acme.tenant is not None
        names = {item["namespace"] or item["name"] for item in acme.tenant["status"]["inventory"]}
        assert names == {acme.tenant["spec"]["name"]}
        assert acme.tenant["spec"]["name"].startswith("td-")
        await acme.uninstall()
        await acme.becomes("Uninstalled")


@pytest.mark.case(58)
async def test_a_renamed_account_keeps_everything_under_its_new_name(stacks: Stacks) -> None:
    async with stacks(resyncPeriod="1s") as talkdesk:
        acme = await talkdesk.install("before")
        await acme.becomes("Active")
        tenant, home = acme.tenant, await acme.live("Namespace")

        talkdesk.simulator.rename(commands.Rename(account="before", name="after"))
        await until(lambda: _calls_itself(acme, "after"), within=30)

        await acme.until(lambda held: held["status"]["account"]["name"] == "after", "tell the new name")
        assert tenant is not None
        assert acme.tenant is not None
        assert acme.tenant["metadata"]["uid"] == tenant["metadata"]["uid"]
        assert acme.tenant["spec"] == tenant["spec"]
        assert await acme.live("Namespace") == home


@pytest.mark.case(59)
async def test_names_that_are_prefixes_of_one_another_never_collide(stacks: Stacks) -> None:
    ids = ["a", "a-b", "a-b-c", "b-c", "A", "a.b", "a_b"]
    async with stacks() as talkdesk:
        customers = [await talkdesk.install(account_id=f"{talkdesk.app}{account_id}") for account_id in ids]
        for customer in customers:
            await customer.becomes("Active")

        assert len({customer.tenant_name for customer in customers}) == len(ids)
        assert len({customer.tenant["spec"]["name"] for customer in customers if customer.tenant}) == len(ids)


async def _calls_itself(acme: Customer, name: str) -> bool:
    held = await acme.live("ConfigMap", "settings")
    return held is not None and held["data"]["account"] == name
