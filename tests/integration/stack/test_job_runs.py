"""A Job of a template on a real API server: it runs once for each change of what it is made of.

Nobody runs Jobs here: the tests write their statuses, as the controller does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from builders.conditions import condition, message, reason
from builders.deployments import may_deploy
from builders.jobs import delete, finish, job, uid
from builders.serving import until
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, STEPS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(51)]


def steps(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "base", "manifests": [NAMESPACE]},
        {"name": "migrate", "manifests": [manifest]},
        *STEPS[2:],
    ]


@asynccontextmanager
async def installed(stacks: Stacks) -> AsyncIterator[tuple[Stack, Customer]]:
    async with stacks() as talkdesk, may_deploy(talkdesk, "jobs.batch"):
        await talkdesk.change_app(tenant={"steps": steps(job())})
        acme = await talkdesk.install()
        await acme.tenant_until(lambda obj: obj is not None and reason(obj, "Ready") == "NotReady", "wait for the Job")
        yield talkdesk, acme


async def completes(acme: Customer) -> None:
    """Have the Job complete, and wait until that is on record: one that is deleted before runs again."""
    present = await uid(acme)
    await finish(acme)

    def recorded(obj: Any) -> bool:
        done = [each for each in obj["status"]["inventory"] if each.get("completedInputs")]
        return [each["uid"] for each in done] == [present] and condition(obj, "Ready") == "True"

    await acme.tenant_until(recorded, "have run the Job")


async def runs_again(acme: Customer, before: str) -> str:
    async def made() -> bool:
        return await uid(acme) not in {"", before}

    await until(made, within=20)
    return await uid(acme)


async def never_again(acme: Customer) -> None:
    """Show that the Job is not made while watches report, and by a reconcile of everything."""
    await asyncio.sleep(3)
    await acme.request_reconcile()
    assert await uid(acme) == ""
    tenant = acme.tenant
    assert tenant is not None
    assert condition(tenant, "Ready") == "True"


async def test_a_job_that_has_completed_is_not_run_again_when_it_is_deleted_not_even_by_a_new_operator(
    stacks: Stacks,
) -> None:
    async with installed(stacks) as (talkdesk, acme):
        await completes(acme)
        platform = talkdesk.platform
        await platform.operator.kill()
        await delete(acme)
        await platform.start_operator()
        await never_again(acme)
        events = await platform.kube.request("GET", f"/apis/events.k8s.io/v1/namespaces/{talkdesk.namespace}/events")
        assert "DriftCorrected" not in {event["reason"] for event in events["items"]}


async def test_a_change_of_what_it_is_made_of_runs_it_again_once(stacks: Stacks) -> None:
    async with installed(stacks) as (talkdesk, acme):
        first = await uid(acme)
        await completes(acme)
        await delete(acme)
        await never_again(acme)

        await talkdesk.change_app(tenant={"steps": steps(job("migrate:2"))})
        await runs_again(acme, first)
        await completes(acme)
        await delete(acme)
        await never_again(acme)


async def test_a_job_that_is_still_there_is_replaced_where_its_manifest_says_so(stacks: Stacks) -> None:
    async with installed(stacks) as (talkdesk, acme):
        first = await uid(acme)
        await completes(acme)
        await talkdesk.change_app(tenant={"steps": steps(job("migrate:2"))})
        await acme.tenant_until(lambda obj: reason(obj, "Ready") == "FieldImmutable", "say that it can't be changed")
        assert await uid(acme) == first

        talkdesk.may_lose_objects.add(acme.account_id)
        await talkdesk.change_app(tenant={"steps": steps(job("migrate:2", recreate="true"))})
        await runs_again(acme, first)
        await completes(acme)


async def test_a_job_that_failed_runs_again_only_when_a_person_deletes_it(stacks: Stacks) -> None:
    async with installed(stacks) as (_, acme):
        first = await uid(acme)
        await finish(acme, failed=True)

        def told(obj: Any) -> bool:
            return reason(obj, "Ready") == "NotReady" and "the table is locked" in message(obj, "Ready")

        await acme.tenant_until(told, "say why it failed")
        await acme.request_reconcile()
        assert await uid(acme) == first
        await delete(acme)
        await runs_again(acme, first)
        await completes(acme)
