"""`talkdesk-operator diff`, as a person runs it beside a real API server with a customer."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.conditions import condition, reason
from builders.deployments import may_deploy
from builders.jobs import delete, finish, job
from builders.stack import APP, INSTALLATION, PLURALS, TENANT, Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SECRET, config_map
from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, GROUP, VERSION
from talkdesk_runtime.kube import MERGE_PATCH, resource_path

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "c2VjcmV0LXZhbHVl"


class Files:
    """The app and its customer as YAML, and the command over them."""

    def __init__(self, talkdesk: Stack, folder: Path) -> None:
        self._talkdesk = talkdesk
        self._app = folder / "app.yaml"
        self._customer = folder / "customer.yaml"

    async def write(self, acme: Customer) -> None:
        """Write what `kubectl get -o yaml` prints."""
        for kind, name, file in ((APP, self._talkdesk.app, self._app), (INSTALLATION, acme.name, self._customer)):
            path = resource_path(GROUP, VERSION, PLURALS[kind], self._talkdesk.namespace, name)
            file.write_text(yaml.safe_dump(await self._talkdesk.platform.kube.request("GET", path)))

    def edit(self, *manifests: dict[str, Any], **tenant: Any) -> None:
        """Change the template in the file."""
        raw = yaml.safe_load(self._app.read_text())
        raw["spec"]["tenant"] |= {"steps": [{"name": "base", "manifests": [*manifests]}], **tenant}
        self._app.write_text(yaml.safe_dump(raw))

    async def diff(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run the command; return status, output and complaints."""
        files = ("--filename", str(self._app), "--installation", str(self._customer))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "talkdesk_operator", "diff", *files, *arguments),
            env={**os.environ, **self._talkdesk.platform.cluster.environment, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def installed(talkdesk: Stack, files: Files) -> Customer:
    acme = await talkdesk.install()
    await acme.becomes("Active")
    await files.write(acme)
    return acme


async def test_a_customer_who_has_what_the_template_says_shows_no_difference(stacks: Stacks, tmp_path: Path) -> None:
    async with stacks() as talkdesk:
        files = Files(talkdesk, tmp_path)
        await installed(talkdesk, files)
        assert await files.diff() == (0, "", "")


async def test_what_an_edit_would_change_is_shown_and_nothing_is_changed(stacks: Stacks, tmp_path: Path) -> None:
    async with stacks() as talkdesk:
        files = Files(talkdesk, tmp_path)
        acme = await installed(talkdesk, files)
        before = await acme.existing("ConfigMap", "settings")
        secret = {**SECRET, "data": {"client_id": "${base64.encode(bytes(credentials.clientId))}", "more": CANARY}}
        files.edit(NAMESPACE, config_map({"plan": "${tenant.values.size}"}), secret, config_map({"a": "b"}, name="new"))

        status, out, err = await files.diff("--set=size=large")

        assert (status, err) == (1, "")
        space = acme.tenant_namespace
        for line in (
            "+  plan: large",
            f"+++ wanted/ConfigMap {space}/new",
            f"+++ wanted/Secret {space}/talkdesk",
            "+  more: '***'",
        ):
            assert line in out.splitlines(), out
        assert CANARY not in out
        assert "client_id" not in [line.strip("+- ").partition(":")[0] for line in out.splitlines() if line[0] in "+-"]
        assert (await acme.existing("ConfigMap", "settings")) == before
        assert await acme.live("ConfigMap", "new") is None

        files.edit(NAMESPACE, SECRET)
        status, out, _ = await files.diff()
        left = f"# ConfigMap {space}/settings leaves the template: it is deleted or kept by onRemove"
        assert (status, left in out.splitlines()) == (1, True)


async def test_a_field_that_is_left_to_others_is_no_difference(stacks: Stacks, tmp_path: Path) -> None:
    left = config_map({"size": "2", "other": "1"})
    left["metadata"] |= {"annotations": {ANNOTATION_IGNORE_FIELDS: "/data/size"}}
    async with stacks(steps=[{"name": "base", "manifests": [NAMESPACE, left]}]) as talkdesk:
        files = Files(talkdesk, tmp_path)
        acme = await installed(talkdesk, files)
        path = resource_path("", "v1", "configmaps", acme.tenant_namespace, "settings")
        body = {"data": {"size": "5"}}
        await talkdesk.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        assert await files.diff() == (0, "", "")
        files.edit(NAMESPACE, left | {"data": {"size": "3", "other": "1"}})
        assert await files.diff() == (0, "", "")
        files.edit(NAMESPACE, left | {"data": {"size": "3", "other": "2"}})
        status, out, _ = await files.diff()
        changed = [line for line in out.splitlines() if line[0] in "+-" and line[:3] not in {"+++", "---"}]
        assert (status, changed) == (1, ["-  other: '1'", "+  other: '2'"])


async def test_a_job_that_has_run_and_is_gone_is_no_difference_until_it_would_run_again(
    stacks: Stacks, tmp_path: Path
) -> None:
    async with stacks() as talkdesk, may_deploy(talkdesk, "jobs.batch"):
        await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [NAMESPACE, job()]}]})
        acme = await talkdesk.install()
        await acme.tenant_until(lambda obj: obj is not None and reason(obj, "Ready") == "NotReady", "wait for the Job")
        await finish(acme)
        await acme.becomes("Active")
        await delete(acme)
        files = Files(talkdesk, tmp_path)
        await files.write(acme)
        assert await files.diff() == (0, "", "")
        files.edit(NAMESPACE, job("migrate:2"))
        status, out, err = await files.diff()
        assert (status, err) == (1, "")
        assert f"+++ wanted/Job {acme.tenant_namespace}/migrate" in out.splitlines()


async def test_values_and_name_are_those_of_the_customers_tenant(stacks: Stacks, tmp_path: Path) -> None:
    manifests = [NAMESPACE, config_map({"size": "${tenant.values.size}"})]
    async with stacks() as talkdesk:
        steps = [{"name": "base", "manifests": manifests}]
        await talkdesk.change_app(tenant={"values": {"size": "small"}, "steps": steps})
        files = Files(talkdesk, tmp_path)
        acme = await installed(talkdesk, files)
        change = {"op": "add", "path": "/spec/values", "value": {"size": "own"}}
        await acme.patch(change, kind=TENANT)
        await acme.tenant_until(
            lambda obj: (
                obj is not None
                and condition(obj, "Ready") == "True"
                and obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
            ),
            "have its own size",
        )
        files.edit(*manifests, name="another-name")
        assert await files.diff() == (0, "", "")
        status, out, _ = await files.diff("--set=size=other")
        assert (status, "-  size: own" in out, "+  size: other" in out) == (1, True, True)


async def test_a_customer_who_has_nothing_yet_gets_all_of_it(stacks: Stacks, tmp_path: Path) -> None:
    async with stacks() as talkdesk:
        files = Files(talkdesk, tmp_path)
        await installed(talkdesk, files)
        customer = yaml.safe_load(files._customer.read_text())
        customer["spec"]["accountId"] = "nobody-yet"
        files._customer.write_text(yaml.safe_dump(customer))
        status, out, err = await files.diff()
        assert (status, err) == (1, "")
        assert [line.split()[1] for line in out.splitlines() if line.startswith("+++")] == [
            "wanted/Namespace",
            "wanted/ConfigMap",
            "wanted/Secret",
        ]


async def test_what_can_not_be_found_out_is_said_and_all_else_is_compared(stacks: Stacks, tmp_path: Path) -> None:
    async with stacks() as talkdesk:
        files = Files(talkdesk, tmp_path)
        acme = await installed(talkdesk, files)
        foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign"}, "data": {"a": "b"}}
        space = f"--namespace={acme.tenant_namespace}"
        await talkdesk.platform.kubectl("apply", space, "-f", "-", stdin=json.dumps(foreign))
        role = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "no-right", "namespace": "${tenant.name}"}}
        absent = {"apiVersion": "x.example/v1", "kind": "Absent", "metadata": role["metadata"]}
        files.edit(NAMESPACE, config_map({"new": "1"}), config_map({}, name="foreign"), role, absent, SECRET)

        status, out, err = await files.diff()

        assert status == 2
        assert "+  new: '1'" in out
        assert "# not compared: the API server has no kind Absent" in out
        assert "foreign: it is not this tenant's" in err
        assert "pods" in err
        assert "forbidden" in err
        assert "Traceback" not in err
        assert (await files.diff("--namespace=elsewhere"))[0] in {1, 2}
        assert (await files.diff(KUBECONFIG="/nowhere", HOME="/nowhere"))[0] == 2


async def test_a_pinned_customer_is_compared_with_the_template_and_told_that_it_changes_nothing(
    stacks: Stacks, tmp_path: Path
) -> None:
    async with stacks() as talkdesk:
        files = Files(talkdesk, tmp_path)
        acme = await installed(talkdesk, files)
        assert acme.tenant is not None
        first = acme.tenant["status"]["revision"]
        await acme.patch({"op": "add", "path": "/spec/revision", "value": first}, kind=TENANT)
        assert await files.diff() == (0, "", "")

        changed = [NAMESPACE, config_map({"plan": "changed"}), SECRET]
        files.edit(*changed)
        said = f"# TalkdeskTenant {acme.tenant_name}: spec.revision is {first}, so this template changes nothing"
        status, out, err = await files.diff()
        assert (status, err, out.startswith(said), "+  plan: changed" in out) == (1, "", True, True), out
        await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": changed}]})
        await talkdesk.platform.watched.until(
            APP,
            talkdesk.app,
            lambda obj: obj is not None and obj["status"].get("tenants", {}).get("held") == 1,
            "hold the customer",
        )
        assert (await acme.existing("ConfigMap", "settings"))["data"]["plan"] == "Standard"
        assert (await files.diff())[:2] == (status, out)

        await acme.patch({"op": "remove", "path": "/spec/revision"}, kind=TENANT)
        await acme.tenant_until(lambda obj: obj is not None and obj["status"]["revision"] != first, "move")
        await acme.becomes("Active")
        assert await files.diff() == (0, "", "")


async def test_an_app_that_pins_its_tenants_is_told_that_its_template_changes_nothing(
    stacks: Stacks, tmp_path: Path
) -> None:
    async with stacks(templateRollout={"policy": "Pinned"}) as talkdesk:
        await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda obj: obj is not None and obj["status"].get("currentRevision"), "have a revision"
        )
        files = Files(talkdesk, tmp_path)
        await installed(talkdesk, files)
        assert await files.diff() == (0, "", "")
        files.edit(NAMESPACE, config_map({"plan": "changed"}), SECRET)
        status, out, _ = await files.diff()
        said = f"# TalkdeskApp {talkdesk.app}: spec.templateRollout has the policy Pinned, so this template changes"
        assert (status, out.startswith(said), "+  plan: changed" in out) == (1, True, True), out
