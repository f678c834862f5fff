"""The manifests speak of what is there: files, settings, kinds, rights that fit the template, hardened pods."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, SECRET_TYPE
from talkdesk_operator.observability.metrics import CircuitBreakersCollector, InstallationsCollector
from talkdesk_operator.observability.metrics import Metrics as OperatorMetrics
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.settings import PREFIX as OPERATOR_PREFIX
from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_operator.templates import RenderedTenant, render
from talkdesk_webhook.metrics import Metrics as WebhookMetrics
from talkdesk_webhook.settings import PREFIX as WEBHOOK_PREFIX
from talkdesk_webhook.settings import Settings as WebhookSettings

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
KUSTOMIZATIONS = [ROOT / "crds" / "kustomization.yaml", *sorted(MANIFESTS.rglob("kustomization.yaml"))]
DOCUMENTS = sorted(path for path in MANIFESTS.rglob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS: dict[str, type[WebhookSettings | OperatorSettings]] = {
    WEBHOOK_PREFIX: WebhookSettings,
    OPERATOR_PREFIX: OperatorSettings,
}
EXAMPLE = MANIFESTS / "examples" / "sentiment"
NOTHING_KNOWN = None
A_CUSTOMERS_WORDS = 'Acme "Ltd" ${credentials.clientId}\n{{ x }} \N{PILE OF POO}'


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def of_kind(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    return (document for document in documents(path) if document["kind"] == kind)


def example_app() -> TalkdeskApp:
    (raw,) = documents(EXAMPLE / "app.yaml")
    return read_app(raw)


def read_app(raw: dict[str, Any]) -> TalkdeskApp:
    return TalkdeskApp.read(raw | {"metadata": raw["metadata"] | {"uid": "u", "generation": 1}})


def example_tenant(fact: str | None, licenses: int | None = None) -> RenderedTenant:
    app = example_app()
    template = compile_app(app).template
    assert template is not None
    context = {
        "app": {"id": app.spec.app_id, "name": "sentiment", "namespace": "sentiment", "region": app.spec.region},
        "account": {"id": "5f1e", "name": fact, "companyName": fact, "timezone": fact},
        "installation": {"id": "i", "name": "sentiment-i", "appVersion": fact, "createdBy": fact},
        "subscription": {"type": fact, "name": fact, "licenses": licenses},
        "trial": {"state": None, "expirationTime": None},
        "tenant": {"name": "", "state": "Active", "suspended": False, "values": app.spec.tenant.values},
        "sso": {
            **dict.fromkeys(("issuer", "authorizationUrl", "tokenUrl", "clientId"), fact),
            "scopes": ["openid", *app.spec.auth.scopes],
        },
        "credentials": dict.fromkeys(
            ("clientId", "clientSecret", "privateKey", "keyId", "keyAlgorithm", "tokenUrl", "apiUrl"), "c"
        ),
    }
    return render(template, context, app_name="sentiment", tenant_name="sentiment-5f1e")


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_kustomization_names_what_is_there_and_all_of_it(path: Path) -> None:
    (kustomization,) = documents(path)
    named = [(path.parent / resource).resolve() for resource in kustomization["resources"]]
    assert all(each.exists() for each in named)
    beside = {each for each in path.parent.iterdir() if each.suffix == ".yaml" and each != path}
    assert beside <= set(named)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_object_has_a_kind_and_a_name_and_namespaced_ones_a_namespace(path: Path) -> None:
    for document in documents(path):
        assert document["apiVersion"]
        assert document["metadata"]["name"]
        cluster_wide = (
            document["kind"].startswith(("Cluster", "ValidatingAdmission")) or document["kind"] == "Namespace"
        )
        assert ("namespace" in document["metadata"]) != cluster_wide, document["kind"]


@pytest.mark.parametrize("name", ["operator", "webhook"])
def test_pods_run_without_any_privilege(name: str) -> None:
    (deployment,) = of_kind(MANIFESTS / "base" / name / "deployment.yaml", "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["serviceAccountName"] == f"talkdesk-{name}"


@pytest.mark.parametrize("name", ["operator", "webhook"])
def test_pods_are_asked_how_they_are_and_told_how_much_they_may_take(name: str) -> None:
    (deployment,) = of_kind(MANIFESTS / "base" / name / "deployment.yaml", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"]["path"] == path
        assert container[probe]["httpGet"]["port"] in ports
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", ["operator", "webhook"])
def test_pods_are_given_settings_that_exist(name: str) -> None:
    (deployment,) = of_kind(MANIFESTS / "base" / name / "deployment.yaml", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"]}
    (prefix,) = {prefix for prefix in SETTINGS if all(key.startswith(prefix) for key in given)}
    settings = SETTINGS[prefix].model_validate(
        {key.removeprefix(prefix).lower(): value for key, value in given.items()}
    )
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert settings.shutdown_timeout.total_seconds() < grace
    ports = {port["containerPort"] for port in container["ports"]}
    assert ports == {getattr(settings, "probe_port", None) or getattr(settings, "port", None)}


def test_the_one_lease_that_the_operator_may_hold_is_the_one_that_it_asks_for() -> None:
    (deployment,) = of_kind(MANIFESTS / "base" / "operator" / "deployment.yaml", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    asked = {each["value"] for each in container["env"] if each["name"] == f"{OPERATOR_PREFIX}LEASE_NAME"}
    roles = [
        document
        for document in documents(MANIFESTS / "base" / "operator" / "rbac.yaml")
        if document["kind"] in ("Role", "ClusterRole")
    ]
    named = {
        name
        for role in roles
        for rule in role["rules"]
        if "leases" in rule["resources"]
        for name in rule.get("resourceNames", asked)
    }
    assert named == asked


@pytest.mark.parametrize("name", ["operator", "webhook"])
def test_no_right_of_the_operator_or_the_webhook_is_a_wildcard(name: str) -> None:
    for document in documents(MANIFESTS / "base" / name / "rbac.yaml"):
        for rule in document.get("rules", ()):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_the_example_app_is_understood() -> None:
    view = compile_app(example_app())
    assert view.problem == ""
    assert view.hosts is not None


def test_what_the_example_offers_in_comments_is_understood_as_well() -> None:
    text = (EXAMPLE / "app.yaml").read_text()
    blocks = re.findall(r"(?m)^  # (?:users|logout):\n(?:  #   .*\n)+", text)
    offered = {key: value for block in blocks for key, value in yaml.safe_load(block.replace("  # ", "")).items()}
    (raw,) = documents(EXAMPLE / "app.yaml")
    app = read_app(raw | {"spec": raw["spec"] | offered})
    assert app.spec.users is not None
    assert app.spec.users.scim is not None
    assert app.spec.logout is not None
    assert app.spec.logout.secret_ref.name in example_role("talkdesk-webhook-logout")["rules"][0]["resourceNames"]
    assert compile_app(app).problem == ""


@pytest.mark.case(57)
@pytest.mark.parametrize("fact", [NOTHING_KNOWN, "", A_CUSTOMERS_WORDS], ids=["unknown", "empty", "hostile"])
def test_the_example_template_fits_every_account(fact: str | None) -> None:
    tenant = example_tenant(fact)
    kinds = [each["kind"] for step in tenant.steps for each in step.objects]
    assert kinds == [
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        "NetworkPolicy",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Secret",
    ]
    for step in tenant.steps:
        for each in step.objects:
            metadata = each["metadata"]
            assert tenant.name == (metadata["name"] if each["kind"] == "Namespace" else metadata["namespace"])
            assert all(isinstance(value, str) for value in (each.get("data") or {}).values())


def test_the_example_template_retains_no_secret() -> None:
    for step in example_tenant("Acme", 3).steps:
        if any(each["kind"] == "Secret" for each in step.objects):
            assert step.on_offboard == "Delete"


def test_the_example_tenant_stays_within_what_its_guard_allows() -> None:
    (policy,) = of_kind(EXAMPLE / "guard.yaml", "ValidatingAdmissionPolicy")
    (validation,) = policy["spec"]["validations"]
    assert validation["expression"].endswith(".startsWith('td-')")
    assert example_tenant("Acme").name.startswith("td-")


def test_the_example_provisioner_has_a_right_to_each_kind_of_its_template_and_to_no_other() -> None:
    (role,) = of_kind(EXAMPLE / "access.yaml", "ClusterRole")
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    needed = {
        (each["apiVersion"].rpartition("/")[0], plural(each["kind"]))
        for step in example_tenant("Acme").steps
        for each in step.objects
    }
    assert granted.keys() == needed
    assert all({"get", "create", "patch", "delete"} <= verbs for verbs in granted.values())


def plural(kind: str) -> str:
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"


def test_only_the_provisioner_that_the_app_names_can_be_impersonated() -> None:
    (rule,) = example_role("impersonate-tenant-provisioner")["rules"]
    assert rule["verbs"] == ["impersonate"]
    assert rule["resourceNames"] == [example_app().spec.tenant.service_account_name]


def test_the_webhook_may_read_one_named_secret_of_the_example_and_nothing_else() -> None:
    assert example_role("talkdesk-webhook-logout")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["single-logout"], "verbs": ["get"]}
    ]


def example_role(name: str) -> dict[str, Any]:
    (role,) = (each for each in of_kind(EXAMPLE / "access.yaml", "Role") if each["metadata"]["name"] == name)
    return role


def test_the_operator_may_write_secrets_in_the_namespace_of_an_app_only() -> None:
    written = [
        (role["kind"], set(rule["verbs"]) - {"get", "list", "delete"})
        for path in (
            EXAMPLE / "access.yaml",
            MANIFESTS / "examples" / "users" / "access.yaml",
            MANIFESTS / "base" / "operator" / "rbac.yaml",
        )
        for kind in ("Role", "ClusterRole")
        for role in of_kind(path, kind)
        for rule in role["rules"]
        if "secrets" in rule["resources"] and role["metadata"]["name"].startswith("talkdesk-operator")
    ]
    assert [each for each in written if each[1]] == [("Role", {"create", "patch"})]


def test_an_import_by_hand_names_its_own_secret_and_the_example_app() -> None:
    secret, raw = documents(MANIFESTS / "examples" / "import" / "installation.yaml")
    installation = TalkdeskInstallation.read(raw)
    assert installation.spec.credentials is not None
    assert installation.spec.credentials.secret_name == secret["metadata"]["name"]
    assert secret["type"] == SECRET_TYPE
    assert secret["immutable"]
    assert secret["metadata"]["labels"][f"{GROUP}/installation"] == installation.metadata.name
    app = example_app()
    assert (installation.spec.app_ref.name, installation.metadata.namespace) == app.key[::-1]


def test_alerts_speak_of_metrics_that_there_are() -> None:
    operator, webhook = CollectorRegistry(), CollectorRegistry()
    OperatorMetrics(operator)
    WebhookMetrics(webhook)
    operator.register(InstallationsCollector(lambda: (), lambda: datetime.now(UTC)))
    operator.register(CircuitBreakersCollector(dict))
    known = {family.name for registry in (operator, webhook) for family in registry.collect()}
    (rule,) = of_kind(MANIFESTS / "monitoring" / "alerts.yaml", "PrometheusRule")
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    named = {name for alert in alerts for name in re.findall(r"talkdesk_\w+", alert["expr"])}
    assert len(alerts) == len({alert["alert"] for alert in alerts})
    assert {name.removesuffix("_total") for name in named} <= known
    assert all(alert["labels"]["severity"] in {"critical", "warning"} for alert in alerts)
