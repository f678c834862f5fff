"""Two operators share the accounts of an app: each works on its half alone, and both follow the app."""

import itertools
import json
import re
import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from builders.checked import checked
from builders.child import Child
from builders.conditions import condition, message, reason
from builders.module_platform import module_platform
from builders.platform import FREE_SIDE_PORTS, Platform
from builders.rollouts import BREAKS, app_until, steps, versions
from builders.serving import until
from builders.stack import APP, INSTALLATION, TENANT, Customer, Stack, Stacks
from builders.stack_manifests import STEPS, config_map
from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import slot_label
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.shard import Shard
from talkdesk_sandbox.controlplane import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHARDS = (Shard(0, 2), Shard(1, 2))
NAMES = dict(zip(SHARDS, ("operator", "operator of shard 1"), strict=True))
SLOT = LABEL_SHARD_SLOT.replace("/", "~1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(crds: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Platform]:
    """Run the webhook, and an operator for each shard in the place of the one for all."""
    async with module_platform(crds, request) as made:
        await made.operator.terminate()
        settings = {
            "KUBECONFIG": str(made.kubeconfigs["operator"]),
            "NAMESPACES": made.namespace,
            "LEASE_NAMESPACE": made.namespace,
            "LOG_LEVEL": "DEBUG",
            "ALLOW_INSECURE": "true",
            **FREE_SIDE_PORTS,
        }
        for shard in SHARDS:
            variables = {f"TALKDESK_OPERATOR_{name}": value for name, value in settings.items()}
            variables["SHARD"] = f"{shard.index}/{shard.count}"
            child = made.programs[NAMES[shard]] = await Child.start("builders.pinned_operator", variables)
            made.logs.append(child.log)
            for port in ("probes", "metrics"):
                made.ports[f"{NAMES[shard]} {port}"] = (await child.logged(f"{port}.listening"))["port"]
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def stacks(programs: Platform) -> Stacks:
    """Create apps with Talkdesks of their own; the invariants are checked at the end of each."""
    return checked(programs)


def key_of(acme: Customer) -> AccountKey:
    return AccountKey(acme.stack.namespace, acme.stack.app, acme.account_id)


def shard_of(acme: Customer) -> Shard:
    return next(shard for shard in SHARDS if shard.owns(key_of(acme)))


def slot_of(acme: Customer) -> dict[str, str]:
    return slot_label(acme.stack.namespace, acme.stack.app, acme.account_id)


def workers(acme: Customer) -> set[Shard]:
    """The shards whose operators say that they have changed the state of the customer's installation."""
    return {shard for shard in SHARDS if _transitions(acme.stack.platform.programs[NAMES[shard]], acme.name)}


def _transitions(operator: Child, name: str) -> bool:
    lines = [json.loads(line) for line in bytes(operator.log).splitlines() if line.startswith(b"{")]
    return any(line["event"] == "installation.transition" and line["installation"] == name for line in lines)


async def counted(acme: Customer) -> float | None:
    """How many installations of the app the shard's process knows."""
    _, text = await acme.stack.platform.fetch(NAMES[shard_of(acme)], "/metrics")
    found = re.search(rf'talkdesk_installations{{app="{acme.stack.app}".*,phase="Active"}} (.*)', text)
    return None if found is None else float(found[1])


async def one_of_each(talkdesk: Stack) -> list[Customer]:
    """Let a customer of each shard install."""
    customers = [await talkdesk.install(account_id=account_of(talkdesk, shard)) for shard in SHARDS]
    for acme in customers:
        await acme.converges("Active")
    return customers


def account_of(talkdesk: Stack, shard: Shard) -> str:
    """Return an account of which nobody has heard that belongs to the shard."""
    ids = (secrets.token_hex(16) for _ in itertools.count())
    return next(each for each in ids if shard.owns(AccountKey(talkdesk.namespace, talkdesk.app, each)))


async def leave(acme: Customer) -> None:
    """Let a customer go, and let nothing of it stay."""
    acme.stack.may_lose_objects.add(acme.account_id)
    await acme.uninstall()
    await acme.becomes("Uninstalled")
    await acme.patch({"op": "add", "path": "/spec/purge", "value": {"requestedBy": "me"}}, kind=TENANT)
    await acme.becomes("Purged")


async def test_each_account_is_provisioned_by_its_own_shard_and_an_edit_of_the_app_reaches_all(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        customers = await one_of_each(talkdesk)
        for acme in customers:
            assert workers(acme) == {shard_of(acme)}
            for labels in (acme.installation["metadata"]["labels"], (acme.tenant or {})["metadata"]["labels"]):
                assert slot_of(acme).items() <= labels.items()
            settings = await acme.existing("ConfigMap", "settings")
            assert slot_of(acme).items() <= settings["metadata"]["labels"].items()
            assert await counted(acme) == 1, "each process has only its own accounts in memory"
        more = {"name": "more", "manifests": [config_map({"a": "b"}, "more")]}
        await talkdesk.change_app(tenant={"steps": [*STEPS, more]})
        for acme in customers:
            await acme.tenant_until(lambda obj: obj is not None and "more" in _made(obj), "get the new object")
            assert workers(acme) == {shard_of(acme)}


def _made(tenant: dict[str, object]) -> set[str]:
    status = tenant.get("status", {})
    assert isinstance(status, dict)
    return {each["name"] for each in status.get("inventory", ())}


async def test_a_drift_is_put_right_by_the_accounts_own_shard(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for acme in await one_of_each(talkdesk):
            uid = await acme.uid("ConfigMap", "settings")
            namespace = acme.tenant_namespace
            await talkdesk.platform.kubectl("delete", f"--namespace={namespace}", "configmap", "settings")
            await until(partial(_is_made_anew, acme, uid))


async def _is_made_anew(acme: Customer, uid: str) -> bool:
    live = await acme.live("ConfigMap", "settings")
    return live is not None and live["metadata"]["uid"] != uid


async def test_a_label_that_is_missing_or_wrong_is_put_right_and_the_accounts_own_shard_goes_on(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for acme in await one_of_each(talkdesk):
            for kind, name in ((INSTALLATION, acme.name), (TENANT, acme.tenant_name)):
                other = str(int(slot_of(acme)[LABEL_SHARD_SLOT]) ^ 1)
                for change in ({"op": "remove"}, {"op": "add", "value": "x"}, {"op": "add", "value": other}):
                    await acme.patch({**change, "path": f"/metadata/labels/{SLOT}"}, kind=kind)
                    await talkdesk.platform.watched.until(kind, name, partial(_is_labeled, acme), "be labeled")
            await acme.request_reconcile()
            assert workers(acme) == {shard_of(acme)}
            assert acme.installation["status"]["phase"] == "Active"


def _is_labeled(acme: Customer, obj: dict[str, object] | None) -> bool:
    metadata = (obj or {}).get("metadata")
    return isinstance(metadata, dict) and slot_of(acme).items() <= (metadata.get("labels") or {}).items()


async def test_an_installation_that_a_person_made_without_a_label_is_worked_on_by_its_shard(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        for shard in SHARDS:
            acme = await talkdesk.install(account_id=account_of(talkdesk, shard), deliver=False)
            await acme.apply_by_hand()
            await acme.converges("Active")
            assert slot_of(acme).items() <= acme.installation["metadata"]["labels"].items()
            assert workers(acme) == {shard}


@pytest.mark.case(90)
async def test_a_deleted_app_waits_for_the_customers_of_all_shards(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        customers = await one_of_each(talkdesk)
        watched = talkdesk.platform.watched
        await talkdesk.platform.kubectl("delete", "tdapp", talkdesk.app, "--wait=false")
        for number, acme in reversed(list(enumerate(customers, start=1))):
            left = f"{number} installations that have not ended, {number} tenants in use"
            await watched.until(APP, talkdesk.app, partial(_says, left), f"say that {left} are left")
            await leave(acme)
        await watched.until(APP, talkdesk.app, lambda obj: obj is None, "be gone")


def _says(what: str, obj: dict[str, object] | None) -> bool:
    return obj is not None and condition(obj, "DeletionBlocked") == "True" and what in message(obj, "DeletionBlocked")


@pytest.mark.case(55)
async def test_a_rollout_moves_and_counts_the_customers_of_all_shards_and_stops_for_one_of_either(
    stacks: Stacks,
) -> None:
    async with stacks(steps=steps("1"), templateRollout={"maxUnavailable": 1}) as talkdesk:
        customers = await one_of_each(talkdesk)
        await talkdesk.change_app(tenant={"steps": steps("3")})
        await app_until(talkdesk, partial(_counts, total=2, updated=1, failing=0), "move one of them")
        await app_until(talkdesk, partial(_counts, total=2, updated=2, failing=0), "move the other one")
        await app_until(talkdesk, lambda obj: condition(obj, "RolledOut") == "True", "be rolled out")
        assert await versions(customers) == {"3"}
        for acme in customers:
            assert workers(acme) == {shard_of(acme)}

        for acme in customers:
            await acme.patch({"op": "add", "path": "/spec/values", "value": BREAKS}, kind=TENANT)
        await talkdesk.change_app(tenant={"steps": steps("2")})
        app = await app_until(talkdesk, lambda obj: reason(obj, "RolledOut") == "TenantsFailing", "stop")
        assert _counts(app, total=2, updated=1, failing=1)
        assert sum(f"{acme.tenant_name} (ApplyRefused)" in message(app, "RolledOut") for acme in customers) == 1
        assert await versions(customers) == {"3"}
        await talkdesk.change_app(tenant={"steps": steps("3")})
        await app_until(talkdesk, lambda obj: condition(obj, "RolledOut") == "True", "be as before")


def _counts(obj: dict[str, Any] | None, **expected: int) -> bool:
    counted = (obj or {}).get("status", {}).get("tenants", {})
    return all(counted.get(name, 0) == value for name, value in expected.items())
