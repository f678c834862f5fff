"""What the chart may be told: each example is accepted by the API server, what makes no sense is refused at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.foreign_kinds import apply_foreign_kinds
from builders.helm import CHART, EXAMPLES, RELEASE, SYSTEM, Helm, HelmFailed
from talkdesk_sandbox.controlplane import Cluster

OPERATOR = ("Deployment", SYSTEM, "talkdesk-operator")
WEBHOOK = ("Deployment", SYSTEM, "talkdesk-webhook")


@pytest.fixture(scope="module")
def strict(crds: Cluster) -> Cluster:
    """A cluster with the namespaces and the foreign kinds that examples speak of."""
    for name in (SYSTEM, "sentiment", "callbacks"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        crds.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(namespace))
    # The test's pod has the webhook's account, which admission looks for.
    metadata = {"name": "talkdesk-webhook", "namespace": SYSTEM}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    crds.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(account))
    apply_foreign_kinds(crds)
    return crds


def container(helm: Helm, values: dict[str, Any], which: tuple[str, str, str] = OPERATOR) -> dict[str, Any]:
    (made,) = helm.objects(values)[which]["spec"]["template"]["spec"]["containers"]
    assert isinstance(made, dict)
    return made


def environment(helm: Helm, values: dict[str, Any], which: tuple[str, str, str] = OPERATOR) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(helm, values, which)["env"]}


@pytest.mark.parametrize("example", [None, *EXAMPLES], ids=lambda path: path.stem if path else "defaults")
def test_values_pass_the_linter_and_the_api_servers_dry_run(helm: Helm, strict: Cluster, example: Path | None) -> None:
    given = [] if example is None else [f"--values={example}"]
    helm.run("lint", str(CHART), "--strict", *given)
    text = helm.run("template", RELEASE, str(CHART), *given)  # with the test's pod
    strict.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=text)


@pytest.mark.parametrize(
    "values",
    [
        {"operatr": {}},
        {"operator": {"replica": 2}},
        {"operator": {"replicas": "two"}},
        {"operator": {"replicas": -1}},
        {"operator": {"settings": {"worker": 1}}},
        {"operator": {"settings": {"workers": 0}}},
        {"operator": {"settings": {"logLevel": "LOUD"}}},
        {"operator": {"settings": {"kubernetesTimeout": "soon"}}},
        {"operator": {"settings": {"leaseName": "mine"}}},
        {"operator": {"settings": {"namespaces": "a"}}},
        {"operator": {"image": {"digest": "sha256:short"}}},
        {"operator": {"image": {"tag": "a b"}}},
        {"operator": {"image": "registry/operator:1"}},
        {"operator": {"tolerations": {}}},
        {"webhook": {"settings": {"workers": 1}}},
        {"webhook": {"service": {"type": "External"}}},
        {"webhook": {"ingress": {"enabled": True}}},
        {"webhook": {"ingress": {"enabled": True, "hosts": ["https://events.example.com"]}}},
        {"webhook": {"httpRoute": {"enabled": True}}},
        {"namespaces": ["A"]},
        {"namespaces": ["a", "a"]},
        {"namespaces": "a,b"},
        {"appAccess": [{"serviceAccount": "x"}]},
        {"appAccess": [{"namespace": "a", "logoutSecret": "x"}]},
        {"appAccess": [{"namespace": "a", "provisioner": {"namePrefix": ""}}]},
        {"appAccess": [{"namespace": "a", "provisioner": {"clusterRole": "x"}}]},
        {"commonLabels": {"app.kubernetes.io/name": "mine"}},
        {"imagePullSecrets": ["registry"]},
        {"crds": {"enabled": "yes"}},
        {"image": {"pullPolicy": "Sometimes"}},
    ],
    ids=str,
)
def test_a_value_that_makes_no_sense_is_refused_by_its_path(helm: Helm, values: dict[str, Any]) -> None:
    with pytest.raises(HelmFailed, match=r"values don't meet the specifications of the schema") as caught:
        helm.rendered(values)
    assert next(iter(values)) in str(caught.value)


def test_settings_become_the_programs_environment_variables(helm: Helm) -> None:
    settings = {"kubernetesTimeout": "45s", "workers": 64, "resyncJitter": 0.25, "talkdeskBreakerMaxOpenTime": "2m"}
    got = environment(helm, {"operator": {"settings": settings}})
    assert (
        got.items()
        >= {
            "TALKDESK_OPERATOR_KUBERNETES_TIMEOUT": "45s",
            "TALKDESK_OPERATOR_WORKERS": "64",
            "TALKDESK_OPERATOR_RESYNC_JITTER": "0.25",
            "TALKDESK_OPERATOR_TALKDESK_BREAKER_MAX_OPEN_TIME": "2m",
        }.items()
    )


def test_a_large_number_is_written_out(helm: Helm) -> None:
    got = environment(helm, {"webhook": {"settings": {"maxBodyBytes": 16777216}}}, WEBHOOK)
    assert got["TALKDESK_WEBHOOK_MAX_BODY_BYTES"] == "16777216"


@pytest.mark.parametrize(
    ("image", "common", "reference"),
    [
        ({}, {}, "talkdesk-operator:0.1.0"),
        ({}, {"registry": "r.example.com/team/"}, "r.example.com/team/talkdesk-operator:0.1.0"),
        ({"registry": "other"}, {"registry": "r.example.com", "tag": "1"}, "other/talkdesk-operator:1"),
        ({"tag": "2"}, {"tag": "1"}, "talkdesk-operator:2"),
        ({"digest": f"sha256:{'a' * 64}"}, {}, f"talkdesk-operator@sha256:{'a' * 64}"),
        ({"repository": "x/y", "tag": "3", "digest": f"sha256:{'a' * 64}"}, {}, f"x/y:3@sha256:{'a' * 64}"),
    ],
)
def test_an_image_is_named_by_registry_repository_tag_and_digest(
    helm: Helm, image: dict[str, Any], common: dict[str, Any], reference: str
) -> None:
    assert container(helm, {"image": common, "operator": {"image": image}})["image"] == reference


def test_labels_and_annotations_of_the_values_are_on_every_object_and_on_pods(helm: Helm) -> None:
    made = helm.objects(
        {
            "commonLabels": {"team": "a"},
            "commonAnnotations": {"note": "b"},
            "operator": {"podLabels": {"team": "pods"}, "podAnnotations": {"more": "c"}},
            "appAccess": [{"namespace": "sentiment", "records": True}],
        }
    )
    assert all(each["metadata"]["labels"]["team"] == "a" for each in made.values())
    assert all(each["metadata"]["annotations"]["note"] == "b" for each in made.values())
    pod = made[OPERATOR]["spec"]["template"]["metadata"]
    assert pod["labels"]["team"] == "pods"
    assert pod["annotations"] == {"note": "b", "more": "c"}


def test_what_a_pod_is_given_is_where_kubernetes_looks_for_it(helm: Helm) -> None:
    given: dict[str, Any] = {
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"maxSkew": 2}],
        "podSecurityContext": {"runAsNonRoot": True},
    }
    mounts = [{"name": "ca", "mountPath": "/ca"}]
    volumes = [{"name": "ca", "configMap": {"name": "ca"}}]
    values = {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "common",
        "webhook": {
            **given,
            "priorityClassName": "own",
            "resources": {"limits": {"memory": "1Gi"}},
            "extraVolumes": volumes,
            "extraVolumeMounts": mounts,
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
        },
    }
    made = helm.objects(values)
    pod = made[WEBHOOK]["spec"]["template"]["spec"]
    for key, value in given.items():
        assert pod[{"podSecurityContext": "securityContext"}.get(key, key)] == value
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["priorityClassName"] == "own"
    assert made[OPERATOR]["spec"]["template"]["spec"]["priorityClassName"] == "common"
    assert [each for each in pod["volumes"] if each in volumes] == volumes
    (only,) = pod["containers"]
    assert only["resources"]["limits"] == {"memory": "1Gi"}
    assert [each for each in only["volumeMounts"] if each in mounts] == mounts
    assert {"name": "HTTPS_PROXY", "value": "http://proxy"} in only["env"]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"crds": {"enabled": False}}, {"CustomResourceDefinition"}),
        (
            {"clusterResources": {"enabled": False}},
            {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"},
        ),
        ({"networkPolicy": {"enabled": False}}, {"NetworkPolicy"}),
        (
            {each: {"podDisruptionBudget": {"enabled": False}} for each in ("operator", "webhook")},
            {"PodDisruptionBudget"},
        ),
    ],
    ids=str,
)
def test_what_is_switched_off_is_not_there(helm: Helm, values: dict[str, Any], kinds: set[str]) -> None:
    with_all = {kind for kind, _, _ in helm.objects()}
    assert kinds <= with_all
    assert not kinds & {kind for kind, _, _ in helm.objects(values)}


def test_a_budget_speaks_of_one_bound(helm: Helm) -> None:
    def budget(**given: Any) -> dict[str, Any]:
        made = helm.objects({"webhook": {"podDisruptionBudget": given}})
        spec: dict[str, Any] = made["PodDisruptionBudget", SYSTEM, "talkdesk-webhook"]["spec"]
        return {key: value for key, value in spec.items() if key in {"minAvailable", "maxUnavailable"}}

    assert budget() == {"minAvailable": 1}
    assert budget(minAvailable="50%") == {"minAvailable": "50%"}
    assert budget(maxUnavailable=0) == {"maxUnavailable": 0}


@pytest.mark.parametrize(("secret", "scheme", "number"), [("", "http", 80), ("tls", "https", 443)])
def test_everything_before_the_webhook_speaks_to_the_port_of_its_service(
    helm: Helm, secret: str, scheme: str, number: int
) -> None:
    webhook = {
        "tls": {"secretName": secret},
        "ingress": {"enabled": True, "hosts": ["a.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    }
    made = helm.objects({"webhook": webhook})
    (port,) = made["Service", SYSTEM, "talkdesk-webhook"]["spec"]["ports"]
    assert (port["name"], port["port"], port["appProtocol"]) == (scheme, number, scheme)
    (rule,) = made["Ingress", SYSTEM, "talkdesk-webhook"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["port"] == {"name": scheme}
    (route,) = made["HTTPRoute", SYSTEM, "talkdesk-webhook"]["spec"]["rules"]
    assert route["backendRefs"][0]["port"] == number
    check = helm.run(
        "template", RELEASE, str(CHART), "--show-only=templates/tests/check.yaml", values={"webhook": webhook}
    )
    assert f"- {scheme}://talkdesk-webhook.{SYSTEM}.svc/events" in check
    (container_,) = made[WEBHOOK]["spec"]["template"]["spec"]["containers"]
    mounted = {each["mountPath"] for each in container_.get("volumeMounts", [])}
    files = {each["value"].rpartition("/")[0] for each in container_["env"] if "TLS_" in each["name"]}
    assert files == mounted == ({"/etc/talkdesk/tls"} if secret else set())


@pytest.mark.parametrize("name", ["ingress", "httpRoute"])
def test_only_the_path_of_events_is_exposed(helm: Helm, name: str) -> None:
    given = {
        "ingress": {"enabled": True, "hosts": ["a.example.com", "b.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    }
    made = helm.objects({"webhook": {name: given[name]}})
    if name == "ingress":
        rules = made["Ingress", SYSTEM, "talkdesk-webhook"]["spec"]["rules"]
        assert [rule["host"] for rule in rules] == ["a.example.com", "b.example.com"]
        paths = {path["path"] for rule in rules for path in rule["http"]["paths"]}
    else:
        rules = made["HTTPRoute", SYSTEM, "talkdesk-webhook"]["spec"]["rules"]
        paths = {match["path"]["value"] for rule in rules for match in rule["matches"]}
    assert paths == {"/events"}


def test_the_notes_name_the_next_commands(helm: Helm) -> None:
    notes = helm.run("install", RELEASE, str(CHART), "--dry-run=client", "--hide-secret", values={}).partition(
        "NOTES:"
    )[2]
    for command in ("kubectl -n talkdesk-system rollout status", "helm test talkdesk", "kubectl get talkdesk -A"):
        assert command in notes
