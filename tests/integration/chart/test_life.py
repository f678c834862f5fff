"""A chart's life on a real API server: whatever Helm does, customers' objects stay as they are.

Nothing works here but the API server: pods are not started, and whether the operator goes on with what it finds is
shown elsewhere (`tests/integration/stack`). Each test has a control plane of its own: kinds are the whole cluster's.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.helm import CHART, MANIFESTS, RELEASE, SYSTEM, Helm, HelmFailed
from builders.objects import app_object, installation_object, tenant_object
from talkdesk_crds import KINDS
from talkdesk_crds.crdgen import crd
from talkdesk_sandbox.controlplane import Cluster, ControlPlane, KubectlFailed, find_programs

PREVIOUS = Path(__file__).parents[1] / "crds" / "previous"
APP = "customers"
"""The namespace of the app, which is not the release's."""
OURS = "talkdeskapps,talkdeskinstallations,talkdesktenants"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ControlPlane(find_programs()) as it:
        it.kubectl("create", "namespace", APP)
        yield it


@pytest.fixture
def live_helm(helm_program: Path, cluster: Cluster, tmp_path: Path) -> Helm:
    return Helm(helm_program, tmp_path / "helm", cluster)


def install(helm: Helm, *arguments: str, release: str = RELEASE, namespace: str = SYSTEM, chart: Path = CHART) -> None:
    helm.run("install", release, str(chart), "--create-namespace", *arguments, namespace=namespace)


def test_the_readmes_line_installs_as_written(cluster: Cluster, helm_program: Path, tmp_path: Path) -> None:
    repository = CHART.parents[1]
    text = (repository / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ {4}(helm .*?)(?: +#.*)?$", text, re.MULTILINE)
    folders = {f"HELM_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA")}
    path = f"{helm_program.parent}{os.pathsep}{cluster.environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=repository,
        env={**cluster.environment, **folders, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "deployed" in done.stdout
    deployed = cluster.kubectl("get", "deployments", "--namespace", SYSTEM, "--output=name")
    assert {"deployment.apps/talkdesk-operator", "deployment.apps/talkdesk-webhook"} <= set(deployed.split())


def make_customers(cluster: Cluster) -> dict[str, Any]:
    """Make an app, an installation and a tenant, each with the operator's finalizer, and return them as they are."""
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    for raw in (app_object(), installation_object("sentiment-i1"), tenant_object()):
        kept = {key: raw["metadata"][key] for key in ("name", "finalizers", "labels") if key in raw["metadata"]}
        made = {**raw, "metadata": kept | {"namespace": APP}}
        made.pop("status", None)
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(made))
    return customers(cluster)


def customers(cluster: Cluster) -> dict[str, Any]:
    """Return uid, finalizers, deletion and spec of each of our objects."""
    listing = json.loads(cluster.kubectl("get", OURS, "-n", APP, "-o", "json"))["items"]
    parts = ("uid", "finalizers", "deletionTimestamp")
    return {
        f"{each['kind']}/{each['metadata']['name']}": {
            **{part: each["metadata"].get(part) for part in parts},
            "spec": each["spec"],
        }
        for each in listing
    }


def schemas(cluster: Cluster) -> dict[str, Any]:
    listing = json.loads(cluster.kubectl("get", "crd", "-o", "json"))["items"]
    return {each["metadata"]["name"]: each["spec"]["versions"] for each in listing}


def deployments(cluster: Cluster) -> list[str]:
    return cluster.kubectl("get", "deployments", "-A", "-o", "name").split()


def replicas(cluster: Cluster) -> str:
    path = "jsonpath={.spec.replicas}"
    return cluster.kubectl("get", "deployment", "talkdesk-operator", "-n", SYSTEM, "-o", path)


@pytest.mark.case(45)
def test_customers_stay_through_upgrade_rollback_uninstall_and_a_new_installation(
    cluster: Cluster, live_helm: Helm
) -> None:
    install(live_helm)
    before = make_customers(cluster)
    assert len(before) == 3
    assert all(each["finalizers"] for each in before.values())

    live_helm.run("upgrade", RELEASE, str(CHART), "--set=operator.replicas=3")
    assert (replicas(cluster), customers(cluster)) == ("3", before)
    live_helm.run("rollback", RELEASE, "1")
    assert (replicas(cluster), customers(cluster)) == ("2", before)

    said = live_helm.run("uninstall", RELEASE)
    assert all(f"{kind.INFO.plural}." in said for kind in KINDS)
    assert (deployments(cluster), customers(cluster)) == ([], before)
    assert set(schemas(cluster)) == {crd(kind)["metadata"]["name"] for kind in KINDS}

    install(live_helm)
    assert (len(deployments(cluster)), customers(cluster)) == (2, before)


@pytest.mark.case(45)
def test_a_release_of_another_name_says_whose_the_kinds_are_and_takes_them_when_told(
    cluster: Cluster, live_helm: Helm
) -> None:
    install(live_helm)
    before = make_customers(cluster)
    live_helm.run("uninstall", RELEASE)
    with pytest.raises(HelmFailed, match=rf'CustomResourceDefinition "\S+"[^\n]*{RELEASE}'):
        install(live_helm, release="other", namespace="elsewhere")
    assert customers(cluster) == before

    install(live_helm, "--take-ownership", release="other", namespace="elsewhere")
    assert (len(deployments(cluster)), customers(cluster)) == (2, before)
    live_helm.run("upgrade", "other", str(CHART), namespace="elsewhere")
    assert customers(cluster) == before


@pytest.mark.case(45)
def test_what_kustomize_applied_goes_over_to_helm_when_told(cluster: Cluster, live_helm: Helm) -> None:
    cluster.kubectl("apply", "--server-side", "-k", str(MANIFESTS / "base"))
    before = make_customers(cluster)
    with pytest.raises(HelmFailed, match="invalid ownership metadata"):
        install(live_helm)
    install(live_helm, "--take-ownership", "--force-conflicts")
    assert (len(deployments(cluster)), customers(cluster)) == (2, before)


@pytest.mark.case(45)
def test_what_is_deleted_while_there_is_no_operator_waits_and_the_documented_way_lets_it_go(
    cluster: Cluster, live_helm: Helm
) -> None:
    install(live_helm)
    make_customers(cluster)
    live_helm.run("uninstall", RELEASE)
    delete_tenants(cluster)
    waiting = {name: each for name, each in customers(cluster).items() if each["deletionTimestamp"]}
    assert [name.partition("/")[0] for name in waiting] == ["TalkdeskTenant"]

    readme = (CHART / "README.md").read_text()
    assert """kubectl -n NAMESPACE patch KIND/NAME --type=merge -p '{"metadata":{"finalizers":null}}'""" in readme
    for name in waiting:
        cluster.kubectl("-n", APP, "patch", name.lower(), "--type=merge", '-p={"metadata":{"finalizers":null}}')
    assert not waiting.keys() & customers(cluster).keys()


def delete_tenants(cluster: Cluster) -> None:
    """Delete them once the API server has noticed that the policies are gone; it takes up to some seconds."""
    end = time.monotonic() + 60
    while True:
        try:
            cluster.kubectl("delete", "talkdesktenants", "--all", "-n", APP, "--wait=false")
        except KubectlFailed as error:
            if "ValidatingAdmissionPolicy" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


@pytest.mark.case(56)
def test_an_upgrade_brings_todays_kinds_to_objects_of_the_previous_ones(
    cluster: Cluster, live_helm: Helm, tmp_path: Path
) -> None:
    install(live_helm, chart=with_previous_crds(tmp_path / "chart"))
    before = make_customers(cluster)
    old = schemas(cluster)
    live_helm.run("upgrade", RELEASE, str(CHART))
    new = schemas(cluster)
    for kind in KINDS:
        today = crd(kind)
        shown = json.loads(json.dumps(today["spec"]["versions"]))
        assert holds(new[today["metadata"]["name"]], shown)
    assert old != new
    assert customers(cluster).keys() == before.keys()
    assert {name: each["uid"] for name, each in customers(cluster).items()} == {
        name: each["uid"] for name, each in before.items()
    }


def with_previous_crds(copy: Path) -> Path:
    """Copy the chart, with the kinds of the release before it."""
    shutil.copytree(CHART, copy)
    for path in PREVIOUS.glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        document["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
        text = yaml.safe_dump(document, sort_keys=False).replace("{{", '{{ "{{" }}')
        (copy / "templates" / "crds" / path.name).write_text(text)
    return copy


def holds(now: object, wanted: object) -> bool:
    """Return whether all of it is there; the API server adds its defaults."""
    match now, wanted:
        case dict(), dict():
            return all(name in now and holds(now[name], value) for name, value in wanted.items())
        case list(), list():
            return len(now) == len(wanted) and all(map(holds, now, wanted))
        case _:
            return now == wanted


def test_kinds_without_objects_can_be_deleted_after_the_chart_and_come_back_with_it(
    cluster: Cluster, live_helm: Helm
) -> None:
    install(live_helm)
    live_helm.run("uninstall", RELEASE)
    for kind in KINDS:
        cluster.kubectl("delete", "crd", crd(kind)["metadata"]["name"], "--timeout=60s")
    with pytest.raises(KubectlFailed, match="doesn't have a resource type"):
        cluster.kubectl("get", OURS)
    install(live_helm)
    assert set(schemas(cluster)) == {crd(kind)["metadata"]["name"] for kind in KINDS}
