"""Pods: without privileges, asked how they are, reached as their NetworkPolicies say, never gone all at once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from builders.manifest_files import BASE, MANIFESTS, deployments, of_kind
from talkdesk_operator.settings import PREFIX as OPERATOR_PREFIX
from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_webhook.settings import PREFIX as WEBHOOK_PREFIX
from talkdesk_webhook.settings import Settings as WebhookSettings

SETTINGS: dict[str, type[WebhookSettings | OperatorSettings]] = {
    WEBHOOK_PREFIX: WebhookSettings,
    OPERATOR_PREFIX: OperatorSettings,
}
PROGRAMS = ("operator", "webhook")
PROBES = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
every_deployment = pytest.mark.parametrize(
    "path", sorted(deployments()), ids=lambda path: str(path.relative_to(MANIFESTS).with_suffix(""))
)


def deployment(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return a Deployment, its pod and its one container."""
    found = deployments()[path]
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return found, pod, container


def of_base(name: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return deployment(BASE / name / "deployment.yaml")


def only(name: str, file: str, kind: str) -> dict[str, Any]:
    """Return the one object of that kind."""
    (found,) = of_kind(BASE / name / f"{file}.yaml", kind)
    return found


@every_deployment
def test_pods_run_without_any_privilege(path: Path) -> None:
    _, pod, container = deployment(path)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@every_deployment
def test_no_variable_is_made_from_a_services_name(path: Path) -> None:
    # A Service talkdesk-webhook would set TALKDESK_WEBHOOK_PORT to a URL.
    _, pod, _ = deployment(path)
    assert pod["enableServiceLinks"] is False


@every_deployment
def test_pods_are_asked_how_they_are_at_ports_that_they_have(path: Path) -> None:
    _, _, container = deployment(path)
    ports = {port["name"] for port in container["ports"]}
    for probe in PROBES:
        assert container[probe].get("httpGet", container[probe].get("tcpSocket"))["port"] in ports
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    assert "cpu" not in container["resources"]["limits"]  # throttled, a leader would miss the renewal of its Lease


@pytest.mark.parametrize("name", PROGRAMS)
def test_probes_ask_for_life_and_readiness(name: str) -> None:
    _, _, container = of_base(name)
    assert {probe: container[probe]["httpGet"]["path"] for probe in PROBES} == PROBES


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_the_program_itself_has_the_token_of_its_account(name: str) -> None:
    _, pod, _ = of_base(name)
    account = only(name, "rbac", "ServiceAccount")
    assert pod["serviceAccountName"] == account["metadata"]["name"] == f"talkdesk-{name}"
    assert pod["automountServiceAccountToken"] is True
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", PROGRAMS)
def test_pods_are_given_settings_that_exist(name: str) -> None:
    found, _, container = of_base(name)
    given = {each["name"]: each["value"] for each in container["env"]}
    (prefix,) = {prefix for prefix in SETTINGS if all(key.startswith(prefix) for key in given)}
    settings = SETTINGS[prefix].model_validate(
        {key.removeprefix(prefix).lower(): value for key, value in given.items()}
    )
    grace = found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    delay = getattr(settings, "shutdown_delay", timedelta())
    assert (delay + settings.shutdown_timeout).total_seconds() + 2 < grace
    names = {"port": "http", "probe_port": "probes", "metrics_port": "metrics"}
    fields = [name for name in type(settings).model_fields if name.endswith("port")]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {names[field]: getattr(settings, field) for field in fields}


@pytest.mark.parametrize("name", PROGRAMS)
def test_of_two_replicas_a_drained_node_takes_one(name: str) -> None:
    found, pod, _ = of_base(name)
    labels = found["spec"]["template"]["metadata"]["labels"]
    assert found["spec"]["replicas"] == 2
    budget = only(name, "disruption", "PodDisruptionBudget")["spec"]
    assert budget["selector"] == found["spec"]["selector"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert budget["minAvailable"] == 1
    spread = {each["topologyKey"]: each for each in pod["topologySpreadConstraints"]}
    assert spread.keys() == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    for each in spread.values():
        assert each["labelSelector"] == found["spec"]["selector"]
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"  # one node is enough to run both


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_network_policy_opens_the_ports_that_others_use_and_no_more(name: str) -> None:
    found, _, container = of_base(name)
    policy = only(name, "network", "NetworkPolicy")["spec"]
    assert policy["podSelector"] == found["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    served = {port["targetPort"] for port in only(name, "service", "Service")["spec"]["ports"]}
    probed = {container[probe]["httpGet"]["port"] for probe in PROBES}
    assert served == ({"http"} if name == "webhook" else {"metrics"})
    assert opened == served | {"metrics"}
    assert {port["name"] for port in container["ports"]} == opened | probed


def test_the_world_reaches_events_and_nothing_else() -> None:
    rules = [rule for name in PROGRAMS for rule in only(name, "network", "NetworkPolicy")["spec"]["ingress"]]
    (public,) = (rule for rule in rules if "from" not in rule)
    assert [port["port"] for port in public["ports"]] == ["http"]
    assert all(rule["from"] for rule in rules if rule is not public)


def test_the_namespace_refuses_privileged_pods_by_rules_of_a_fixed_version() -> None:
    (namespace,) = of_kind(BASE / "namespace.yaml", "Namespace")
    labels = namespace["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"]
    assert labels["pod-security.kubernetes.io/enforce-version"] != "latest"
