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
from builders.serving import until
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, STEPS
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(51)]

BEGAN, ENDED = "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"


def job(image: str = "migrate:1", **annotations: str) -> dict[str, Any]:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": image}]}}
    metadata: dict[str, Any] = {"name": "migrate", "namespace": "${tenant.name}"}
    if annotations:
        metadata["annotations"] = {f"appconnect.talkdesk.dev/{name}": value for name, value in annotations.items()}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": pod, "backoffLimit": 0}}


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


def _path(acme: Customer) -> str:
    return resource_path("batch", "v1", "jobs", acme.tenant_namespace, "migrate")


async def uid(acme: Customer) -> str:
    """Return the Job's uid; empty where there is none."""
    try:
        return str((await acme.stack.platform.kube.request("GET", _path(acme)))["metadata"]["uid"])
    except KubeNotFound:
        return ""


async def finish(acme: Customer, *, failed: bool = False) -> None:
    """Write what the Job's controller would."""
    kinds = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
    said = {"status": "True", "lastTransitionTime": ENDED, "reason": "Tested", "message": "the table is locked"}
    status: dict[str, Any] = {"startTime": BEGAN, "conditions": [{"type": kind, **said} for kind in kinds]}
    status |= {"failed": 1} if failed else {"completionTime": ENDED, "succeeded": 1}
    kube = acme.stack.platform.kube
    await kube.request("PATCH", f"{_path(acme)}/status", body={"status": status}, content_type=MERGE_PATCH)


async def delete(acme: Customer) -> None:
    """Delete it, as a person does, or Kubernetes when its time is over."""
    await acme.stack.platform.kube.request("DELETE", _path(acme), body={"propagationPolicy": "Background"})

    async def gone() -> bool:
        return not await uid(acme)

    await until(gone, within=10)


async def completes(acme: Customer) -> None:
    await finish(acme)
    await acme.tenant_until(lambda obj: obj is not None and condition(obj, "Ready") == "True", "have run the Job")


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
