"""What is built refers to what there is: ports, settings, roles and accounts, selectors that find pods."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from builders.built_manifests import CHOICES, FOLDERS, Object, built, of_kind, pod_of, selected, wrapper
from builders.manifest_files import MANIFESTS, ROOT
from talkdesk_operator.settings import PREFIX as OPERATOR_PREFIX
from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.scim import ScimSettings
from talkdesk_sandbox.simulator import Settings as SimulatorSettings
from talkdesk_webhook.settings import PREFIX as WEBHOOK_PREFIX
from talkdesk_webhook.settings import Settings as WebhookSettings

SETTINGS: dict[str, type[BaseModel]] = {
    OPERATOR_PREFIX: OperatorSettings,
    WEBHOOK_PREFIX: WebhookSettings,
    "TALKDESK_SIMULATOR_": SimulatorSettings,
    "TALKDESK_SCIM_": ScimSettings,
}
BUILDS = [*(str(folder.relative_to(ROOT)) for folder in FOLDERS), *CHOICES]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture(params=BUILDS)
def objects(request: pytest.FixtureRequest, control_plane: Cluster, tmp_path: Path) -> list[Object]:
    """All that a kustomization, or the base with a choice of components, makes."""
    if request.param in CHOICES:
        return built(control_plane, wrapper(tmp_path, MANIFESTS / "base", CHOICES[request.param]))
    return built(control_plane, ROOT / request.param)


@pytest.fixture(scope="module")
def base(control_plane: Cluster) -> list[Object]:
    return built(control_plane, MANIFESTS / "base")


def ports(pod: Object) -> set[str]:
    """Return the names of a pod's ports."""
    return {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", ())}


def containers(objects: list[Object]) -> list[dict[str, Any]]:
    return [each for found in of_kind(objects, "Deployment") for each in pod_of(found)["spec"]["containers"]]


def test_every_variable_is_a_setting_of_the_program_that_gets_it(objects: list[Object]) -> None:
    for container in containers(objects):
        for variable in container["env"]:
            (prefix,) = (each for each in SETTINGS if variable["name"].startswith(each))
            assert variable["name"].removeprefix(prefix).lower() in SETTINGS[prefix].model_fields, variable["name"]


def test_probes_ask_ports_that_there_are(objects: list[Object]) -> None:
    for container in containers(objects):
        named = {port["name"] for port in container["ports"]}
        asked = [container[probe].get("httpGet") or container[probe]["tcpSocket"] for probe in PROBES]
        assert {each["port"] for each in asked} <= named


def test_every_selector_finds_pods_and_the_ports_that_it_speaks_of(objects: list[Object]) -> None:
    def check(owner: Object, labels: dict[str, str], named: list[str]) -> None:
        found = selected(objects, owner["metadata"]["namespace"], labels)
        assert found, owner["metadata"]
        for pod in found:
            assert set(named) <= ports(pod), (owner["kind"], owner["metadata"], pod["metadata"]["name"])

    for service in of_kind(objects, "Service"):
        check(service, service["spec"]["selector"], [port["targetPort"] for port in service["spec"]["ports"]])
    for budget in of_kind(objects, "PodDisruptionBudget"):
        check(budget, budget["spec"]["selector"]["matchLabels"], [])
    for policy in of_kind(objects, "NetworkPolicy"):
        opened = [port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]]
        check(policy, policy["spec"]["podSelector"].get("matchLabels", {}), opened)


def test_monitors_scrape_ports_that_pods_have(base: list[Object], objects: list[Object]) -> None:
    for monitor in of_kind(objects, "PodMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        found = selected([*base, *objects], monitor["metadata"]["namespace"], labels)
        assert {pod["metadata"]["name"] for pod in found} == {"talkdesk-operator", "talkdesk-webhook"}
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert all(endpoint["port"] in ports(pod) for pod in found)


def test_what_leads_in_from_outside_ends_at_a_services_port(objects: list[Object]) -> None:
    services = {each["metadata"]["name"]: each["spec"]["ports"] for each in of_kind(objects, "Service")}
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                target = path["backend"]["service"]
                assert target["port"]["name"] in {port["name"] for port in services[target["name"]]}
    for route in of_kind(objects, "HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for target in rule["backendRefs"]:
                assert target["port"] in {port["port"] for port in services[target["name"]]}


def test_every_binding_is_of_a_role_and_to_an_account_that_there_are(base: list[Object], objects: list[Object]) -> None:
    every = [*base, *objects]
    there = {(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")) for each in every}
    for binding in [*of_kind(objects, "RoleBinding"), *of_kind(objects, "ClusterRoleBinding")]:
        role, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
        assert (role["kind"], role["name"], namespace if role["kind"] == "Role" else "") in there, role
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["name"], subject["namespace"]) in there, subject
