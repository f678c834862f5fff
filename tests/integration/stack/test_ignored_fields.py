"""A field that a manifest leaves to others, as an autoscaler needs it, on a real API server."""

import asyncio
import copy
from typing import Any

import pytest

from builders.conditions import condition
from builders.deployments import DEPLOYMENT, may_deploy
from builders.serving import until
from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, STEPS
from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS
from talkdesk_runtime.kube import MERGE_PATCH, resource_path

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(87)]


def web(replicas: int | None = 1, image: str = "web", *, ignored: str = "/spec/replicas") -> dict[str, Any]:
    """Return a Deployment that is ready however many replicas it has, for nobody runs pods here."""
    made = copy.deepcopy(DEPLOYMENT)
    made["metadata"] |= {"annotations": {ANNOTATION_IGNORE_FIELDS: ignored} if ignored else {}}
    made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    if replicas is None:
        del made["spec"]["replicas"]
    else:
        made["spec"]["replicas"] = replicas
    return made


def steps(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "base", "manifests": [NAMESPACE]},
        {"name": "web", "manifests": [manifest], "readyWhen": "object.kind == 'Deployment'"},
        *STEPS[2:],
    ]


def _path(acme: Customer) -> str:
    return resource_path("apps", "v1", "deployments", acme.tenant_namespace, "web")


async def scaled(acme: Customer, replicas: int) -> dict[str, Any]:
    """Scale as the HPA's controller does: by the part `scale`, with a manager of its own."""
    body, query = {"spec": {"replicas": replicas}}, {"fieldManager": "kube-controller-manager"}
    kube = acme.stack.platform.kube
    await kube.request("PATCH", f"{_path(acme)}/scale", body=body, content_type=MERGE_PATCH, query=query)
    return await _deployment(acme)


async def becomes(talkdesk: Stack, acme: Customer, manifest: dict[str, Any]) -> dict[str, Any]:
    before = acme.tenant
    assert before is not None
    await talkdesk.change_app(tenant={"steps": steps(manifest)})

    def applied(obj: Any) -> bool:
        inputs = obj["status"].get("appliedInputs")
        return inputs != before["status"].get("appliedInputs") and condition(obj, "Ready") == "True"

    await acme.tenant_until(applied, "be as the new template says")
    return await _deployment(acme)


def seen(live: dict[str, Any]) -> tuple[int, str]:
    return live["spec"]["replicas"], live["spec"]["template"]["spec"]["containers"][0]["image"]


async def _deployment(acme: Customer) -> dict[str, Any]:
    return await acme.stack.platform.kube.request("GET", _path(acme))


async def test_what_an_autoscaler_has_set_is_never_put_back(stacks: Stacks) -> None:
    async with stacks() as talkdesk, may_deploy(talkdesk):
        await talkdesk.change_app(tenant={"steps": steps(web(2))})
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert seen(await _deployment(acme)) == (2, "web")

        left = await scaled(acme, 5)
        assert left["metadata"]["generation"] == 2
        await asyncio.sleep(3)  # long enough for a watch to report it, and for a reconcile
        await acme.request_reconcile()
        again = await _deployment(acme)
        assert again["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]

        # A generation counts each change of the spec: one more is the image, and none is the number of replicas.
        changed = await becomes(talkdesk, acme, web(3, "web:2"))
        assert (seen(changed), changed["metadata"]["generation"]) == ((5, "web:2"), 3)
        tenant = acme.tenant
        assert tenant is not None
        assert condition(tenant, "Contested") is None
        events = await talkdesk.platform.kube.request(
            "GET", f"/apis/events.k8s.io/v1/namespaces/{talkdesk.namespace}/events"
        )
        assert "DriftCorrected" not in {event["reason"] for event in events["items"]}

        taken_back = await becomes(talkdesk, acme, web(3, "web:2", ignored=""))
        assert seen(taken_back) == (3, "web:2")


async def test_a_value_that_only_we_have_written_stays_when_the_template_changes_or_drops_it(stacks: Stacks) -> None:
    async with stacks() as talkdesk, may_deploy(talkdesk):
        await talkdesk.change_app(tenant={"steps": steps(web(2))})
        acme = await talkdesk.install()
        await acme.becomes("Active")

        changed = await becomes(talkdesk, acme, web(4, "web:2"))
        assert (seen(changed), changed["metadata"]["generation"]) == ((2, "web:2"), 2)
        dropped = await becomes(talkdesk, acme, web(None, "web:3"))
        assert (seen(dropped), dropped["metadata"]["generation"]) == ((2, "web:3"), 3)
        await scaled(acme, 7)
        at_last = await becomes(talkdesk, acme, web(9, "web:4"))
        assert (seen(at_last), at_last["metadata"]["generation"]) == ((7, "web:4"), 5)


async def test_a_change_of_another_field_is_put_right_without_the_number_of_replicas(stacks: Stacks) -> None:
    async with stacks() as talkdesk, may_deploy(talkdesk):
        await talkdesk.change_app(tenant={"steps": steps(web(2))})
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await scaled(acme, 5)
        image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "mine"}]
        patch = "application/json-patch+json"
        await talkdesk.platform.kube.request("PATCH", _path(acme), body=image, content_type=patch)

        async def put_right() -> bool:
            return seen(await _deployment(acme)) == (5, "web")

        await until(put_right, within=20)
        assert (await _deployment(acme))["metadata"]["generation"] == 4


async def test_what_was_scaled_while_the_operator_was_down_is_no_drift_after_its_start(stacks: Stacks) -> None:
    async with stacks() as talkdesk, may_deploy(talkdesk):
        await talkdesk.change_app(tenant={"steps": steps(web(2))})
        acme = await talkdesk.install()
        await acme.becomes("Active")
        platform = talkdesk.platform
        await platform.operator.kill()
        left = await scaled(acme, 5)
        await platform.start_operator()
        await acme.request_reconcile()
        again = await _deployment(acme)
        assert again["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
