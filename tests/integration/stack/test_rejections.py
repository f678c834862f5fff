"""With `onTenantFailure: Reject`: what a real API server refuses rejects nobody, but for a customer's own value."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from builders.conditions import reason
from builders.serving import until
from builders.stack import Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS, config_map
from talkdesk_crds.names import LABEL_NAMESPACE
from talkdesk_runtime.kube import APPLY, resource_path
from talkdesk_runtime.kube_errors import KubeError

pytestmark = pytest.mark.asyncio(loop_scope="module")

REJECT = {"onTenantFailure": "Reject"}
_PLURALS = {"ValidatingAdmissionPolicy": "validatingadmissionpolicies"}
Trouble: TypeAlias = Callable[[Stack], Awaitable[dict[str, Any]]]
"""Makes trouble; returns what changes in the app's `tenant`."""


def steps(*manifests: dict[str, Any]) -> dict[str, Any]:
    return {"objectScope": "Any", "steps": [{"name": "base", "manifests": [NAMESPACE, *manifests]}]}


async def _apply(talkdesk: Stack, *objects: dict[str, Any]) -> None:
    for obj in objects:
        group, _, version = obj["apiVersion"].rpartition("/")
        plural = _PLURALS.get(obj["kind"], f"{obj['kind'].lower()}s")
        metadata = obj["metadata"]
        path = resource_path(group, version, plural, metadata.get("namespace", ""), metadata["name"])
        path += "/status" if "status" in obj else ""
        query = {"fieldManager": "test", "force": "true"}
        await talkdesk.platform.kube.request("PATCH", path, body=obj, content_type=APPLY, query=query)


async def no_right(_: Stack) -> dict[str, Any]:
    return steps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "td-x"}})


async def no_impersonation(_: Stack) -> dict[str, Any]:
    return {"serviceAccountName": "nobody"}


async def no_such_kind(_: Stack) -> dict[str, Any]:
    return steps({"apiVersion": "example.com/v1", "kind": "Nothing", "metadata": {"name": "x", "namespace": "x"}})


async def the_templates_own_mistake(_: Stack) -> dict[str, Any]:
    return steps(config_map({"a key": "x"}))


async def quota(talkdesk: Stack) -> dict[str, Any]:
    space = f"td-{talkdesk.namespace}-full-{secrets.token_hex(3)}"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": space}}
    hard = {"hard": {"count/configmaps": "0"}}
    # There is no controller here that would count.
    counted = {"status": hard | {"used": {"count/configmaps": "0"}}}
    metadata = {"name": space, "labels": {LABEL_NAMESPACE: talkdesk.namespace}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    await _apply(talkdesk, namespace, quota | {"spec": hard}, quota | counted)
    manifest = config_map({"x": "y"}, name="${tenant.name}")
    manifest["metadata"]["namespace"] = space
    return steps(manifest)


async def policy(talkdesk: Stack) -> dict[str, Any]:
    """Have a policy that answers 422, as an invalid object does."""
    name = f"refuse-{secrets.token_hex(3)}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "ours", "expression": f"object.metadata.name == '{name}'"}],
        "validations": [{"expression": "false", "message": "not here", "reason": "Invalid"}],
    }
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    binding = {"policyName": name, "validationActions": ["Deny"]}
    await _apply(
        talkdesk,
        head | {"kind": "ValidatingAdmissionPolicy", "spec": spec},
        head | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )

    async def refuses() -> bool:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        path = resource_path("", "v1", "configmaps", talkdesk.namespace)
        try:
            await talkdesk.platform.kube.request("POST", path, body=body, query={"dryRun": "All"})
        except KubeError:
            return True
        return False

    await until(refuses, within=90)
    return steps(config_map({"x": "y"}, name=name))


@pytest.mark.case(53, 70)
@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (no_right, "AccessMissing"),
        (no_impersonation, "AccessMissing"),
        (no_such_kind, "ApplyRefused"),
        (quota, "QuotaExceeded"),
        (policy, "AdmissionRefused"),
        (the_templates_own_mistake, "ApplyRefused"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)).replace("_", " "),
)
async def test_what_the_cluster_refuses_of_anybody_delays_the_answer_and_rejects_nobody(
    stacks: Stacks, trouble: Trouble, expected: str
) -> None:
    async with stacks(approval=REJECT) as talkdesk:
        await talkdesk.change_app(tenant=await trouble(talkdesk))
        acme = await talkdesk.install()
        obj = await acme.backs_off()
        assert reason(obj, "TenantReady") == expected
        assert acme.answer_calls() == []

        await talkdesk.change_app(tenant=steps(SETTINGS) | {"serviceAccountName": "tenant-provisioner"})
        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(53, 70)
async def test_a_customers_own_value_that_no_object_of_the_kind_may_have_rejects_that_customer_alone(
    stacks: Stacks,
) -> None:
    labelled = config_map({"x": "y"})
    labelled["metadata"]["labels"] = {"account": "${account.name}"}
    async with stacks(approval=REJECT, steps=steps(labelled)["steps"]) as talkdesk:
        long = await talkdesk.install("a" * 64 + secrets.token_hex(3))
        await long.becomes("Rejected")
        assert long.at_talkdesk.answers == ["reject:rejected"]
        acme = await talkdesk.install()
        await acme.becomes("Active")
