"""Operator and webhook with rights in one namespace alone: what `overlays/namespaced` and an app's component give."""

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from builders.cleared_namespace import delete_namespace
from builders.manifest_files import COMPONENTS, MANIFESTS
from builders.platform import Platform, platform
from builders.stack import stack
from builders.stack_manifests import config_map, moved
from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import Cluster, KubectlFailed

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRANTED = {
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}
PROVISIONER = "tenant-provisioner"
LESS = {
    ("/apis/authorization.k8s.io/v1/subjectaccessreviews", True),
    ("/api/v1/configmaps", False),
}
"""What is asked of the whole cluster and refused: reviews of others' rights, and the provisioner's watches."""
FOR_TENANTS = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": PROVISIONER},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
            }
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": PROVISIONER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PROVISIONER},
        "subjects": [{"kind": "ServiceAccount", "name": PROVISIONER}],
    },
]
"""What the template below needs, in the one namespace that there is for tenants, too."""


def built(cluster: Cluster, folder: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(cluster.kubectl("kustomize", str(folder))) if each]


def granted(cluster: Cluster, namespace: str, folder: Path) -> list[dict[str, Any]]:
    """Return what both halves of the manifests grant, moved into one namespace, and the provisioner's Role."""
    (folder / "namespace.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    )
    parts = {
        "resources": ["namespace.json"],
        "components": [os.path.relpath(COMPONENTS / "app-access-namespaced", folder.resolve())],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(parts))
    objects = [*built(cluster, MANIFESTS / "overlays" / "namespaced"), *built(cluster, folder)]
    theirs = json.loads(json.dumps(FOR_TENANTS))
    for each in theirs:
        each["metadata"]["namespace"] = namespace
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace
    return [*(moved(each, namespace) for each in objects if each["kind"] in GRANTED), *theirs]


async def may(platform: Platform, account: str, verb: str, resource: str, *, everywhere: bool) -> bool:
    who = f"--as=system:serviceaccount:{platform.namespace}:talkdesk-{account}"
    try:
        await platform.kubectl("auth", "can-i", who, verb, resource, *(["--all-namespaces"] if everywhere else []))
    except KubectlFailed:
        return False
    return True


async def test_a_customer_comes_and_goes_where_no_right_reaches_beyond_the_namespace(
    crds: Cluster, tmp_path: Path
) -> None:
    name = f"test-{uuid.uuid4().hex[:12]}"
    crds.kubectl("create", "namespace", name)
    objects = granted(crds, name, tmp_path)
    assert {each["roleRef"]["kind"] for each in objects if "roleRef" in each} == {"Role"}
    settings = config_map({"plan": "p"}, "settings-${account.id}")
    settings["metadata"]["namespace"] = name
    async with platform(crds, name, granted=objects, TALKDESK_TIMEOUT="2s") as programs:
        for account in ("operator", "webhook"):
            assert await may(programs, account, "get", f"talkdeskapps.{GROUP}", everywhere=False)
            assert not await may(programs, account, "get", f"talkdeskapps.{GROUP}", everywhere=True)
        steps, anywhere = [{"name": "settings", "manifests": [settings]}], {"objectScope": "Any"}
        async with stack(programs, steps=steps, tenant=anywhere) as talkdesk:
            acme = await talkdesk.install()
            await acme.converges("Active")
            made = f"configmap/settings-{acme.account_id}"
            assert "settings" in await programs.kubectl("get", made, "--output=name")
            await acme.uninstall()
            await acme.becomes("Uninstalled")
            url = f"http://127.0.0.1:{programs.ports['webhook']}/events/default/unknown"
            async with aiohttp.ClientSession() as session, session.post(url, json={}) as answer:
                assert answer.status == 404  # nothing is taken for a namespace that it doesn't know
        refused = {
            (call.path, call.as_user is None)
            for gate in programs.gates.values()
            for call in gate.calls
            if call.status == 403
        }
        assert refused == LESS
        await programs.clear()
    await asyncio.to_thread(delete_namespace, crds, name)
