"""The kind of a tenant's object is served in another version, or not at all, while the customer has the app."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from builders.stack import Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, STEPS
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeNotFound

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.case(89)]


def group(talkdesk: Stack) -> str:
    """Return a group that no other test has."""
    return f"{talkdesk.app}.example.com"


def widgets(talkdesk: Stack, *, served: str) -> dict[str, Any]:
    """Return the definition of a kind of which one version of two is served."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": each, "served": each == served, "storage": each == "v2", "schema": schema} for each in ("v1", "v2")
    ]
    names = {"kind": "Widget", "plural": "widgets"}
    spec = {"group": group(talkdesk), "scope": "Namespaced", "names": names, "versions": versions}
    metadata = {"name": f"widgets.{group(talkdesk)}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


async def serve(talkdesk: Stack, version: str) -> None:
    """Serve that version alone, and wait until it is."""
    definition = json.dumps(widgets(talkdesk, served=version))
    kubectl = talkdesk.platform.kubectl
    await kubectl("apply", "--server-side", "-f", "-", stdin=definition)
    await kubectl("wait", "--for=condition=Established", "crd", f"widgets.{group(talkdesk)}", "--timeout=60s")


@asynccontextmanager
async def with_widget(stacks: Stacks, **spec: Any) -> AsyncIterator[Customer]:
    """Let a customer have a Widget, which goes at the uninstall."""
    async with stacks(**spec) as talkdesk:
        await serve(talkdesk, "v1")
        name, account = f"widgets-{talkdesk.app}", f"{talkdesk.namespace}:tenant-provisioner"
        kubectl = talkdesk.platform.kubectl
        resource = f"--resource=widgets.{group(talkdesk)}"
        await kubectl("create", "clusterrole", name, "--verb=get,list,watch,create,patch,delete", resource)
        await kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={account}")
        metadata = {"name": "engine", "namespace": "${tenant.name}"}
        widget = {"apiVersion": f"{group(talkdesk)}/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 1}}
        step = {"name": "widgets", "onOffboard": "Delete", "manifests": [widget]}
        await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [NAMESPACE]}, step, *STEPS[2:]]})
        acme = await talkdesk.install()
        await acme.becomes("Active")
        assert await widget_of(acme, "v1") is not None
        yield acme
        await kubectl("delete", "clusterrole,clusterrolebinding", name)
        await kubectl("delete", "crd", f"widgets.{group(talkdesk)}", "--ignore-not-found", "--wait=false")


async def widget_of(acme: Customer, version: str) -> dict[str, Any] | None:
    path = resource_path(group(acme.stack), version, "widgets", acme.tenant_namespace, "engine")
    try:
        return await acme.stack.platform.kube.request("GET", path)
    except KubeNotFound:
        return None


async def test_an_offboarding_deletes_the_object_in_the_version_that_is_served_now(stacks: Stacks) -> None:
    async with with_widget(stacks) as acme:
        await serve(acme.stack, "v2")
        assert await widget_of(acme, "v2") is not None
        await acme.uninstall()
        await acme.becomes("Uninstalled")
        assert await widget_of(acme, "v2") is None
        assert acme.at_talkdesk.state == "uninstalled"


async def test_an_offboarding_and_a_purge_end_when_the_kind_is_gone(stacks: Stacks) -> None:
    async with with_widget(stacks, retention={"keepFor": "1s"}) as acme:
        await acme.stack.platform.kubectl("delete", "crd", f"widgets.{group(acme.stack)}")
        await acme.uninstall()
        await acme.becomes("Purged")
        assert await acme.live("Namespace") is None
        assert acme.at_talkdesk.state == "uninstalled"
