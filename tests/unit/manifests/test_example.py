"""The example app: understood by the operator, fit for every customer, and with the rights that its template needs."""

import re
from typing import Any

import pytest
import yaml

from builders.manifest_files import BASE, COMPONENTS, EXAMPLE, MANIFESTS, documents, of_kind
from talkdesk_crds.app import ObjectScope, TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import GROUP, SECRET_TYPE
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.templates import RenderedTenant, render
from talkdesk_operator.templates.inventory import planned
from talkdesk_operator.templates.placement import outside
from talkdesk_sandbox.simulator import DEFAULT_APP_ID

NOTHING_KNOWN = None
A_CUSTOMERS_WORDS = 'Acme "Ltd" ${credentials.clientId}\n{{ x }} \N{PILE OF POO}'


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
    assert app.spec.logout.secret_ref.name in component_role("app-logout", "access")["rules"][0]["resourceNames"]
    assert compile_app(app).problem == ""


@pytest.mark.case(57)
@pytest.mark.parametrize("fact", [NOTHING_KNOWN, "", A_CUSTOMERS_WORDS], ids=["unknown", "empty", "hostile"])
def test_the_example_template_fits_every_account(fact: str | None) -> None:
    tenant = example_tenant(fact)
    kinds = [each["kind"] for step in tenant.steps for each in step.objects]
    assert kinds == [
        "Namespace",
        "RoleBinding",
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
    (policy,) = of_kind(COMPONENTS / "tenant-provisioner" / "guard.yaml", "ValidatingAdmissionPolicy")
    validation, _others = policy["spec"]["validations"]
    assert validation["expression"].endswith(".startsWith(variables.prefix)")
    (prefix,) = (each["expression"] for each in policy["spec"]["variables"] if each["name"] == "prefix")
    assert prefix == "'td-' + variables.app + '-'"
    assert example_tenant("Acme").name.startswith("td-sentiment-")


def test_every_object_of_the_example_is_inside_its_tenant() -> None:
    tenant = example_tenant("Acme")
    assert example_app().spec.tenant.object_scope is ObjectScope.TENANT
    assert outside(planned(tenant), tenant.name) == ""


HOLDS_DATA = {"secrets", "configmaps"}
APPLY = {"get", "create", "patch", "delete"}
RBAC = "rbac.authorization.k8s.io"


def role_of_example(name: str) -> dict[tuple[str, str], set[str]]:
    """Return the verbs of one ClusterRole by group and resource."""
    (role,) = (
        each for each in of_kind(EXAMPLE / "provisioner.yaml", "ClusterRole") if each["metadata"]["name"] == name
    )
    return {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_the_example_provisioner_has_a_right_to_each_kind_of_its_template_and_to_no_other() -> None:
    everywhere, inside = role_of_example("sentiment-tenant-provisioner"), role_of_example("sentiment-tenant")
    needed = {
        (each["apiVersion"].rpartition("/")[0], plural(each["kind"]))
        for step in example_tenant("Acme").steps
        for each in step.objects
    }
    own = {("", "namespaces"), (RBAC, "rolebindings")}
    assert inside.keys() == needed - own
    assert all(verbs == APPLY for verbs in inside.values())
    assert {what for what, verbs in everywhere.items() if verbs >= APPLY} == own
    assert everywhere.pop((RBAC, "clusterroles")) == {"bind"}
    assert all(verbs <= APPLY | {"list", "watch"} for verbs in everywhere.values())


def test_the_example_provisioner_reads_nothing_that_holds_data_outside_its_tenants() -> None:
    everywhere = role_of_example("sentiment-tenant-provisioner")
    assert not HOLDS_DATA & {resource for _, resource in everywhere}


def test_the_example_gives_its_account_the_rights_in_a_tenant_before_it_needs_them() -> None:
    namespace, binding, *_ = (each for step in example_tenant("Acme").steps for each in step.objects)
    assert (namespace["kind"], binding["kind"]) == ("Namespace", "RoleBinding")
    assert binding["roleRef"]["name"] == "sentiment-tenant"
    app = example_app()
    account = {"kind": "ServiceAccount", "name": app.spec.tenant.service_account_name, "namespace": "sentiment"}
    assert binding["subjects"] == [account]
    (bind,) = (
        rule
        for role in of_kind(EXAMPLE / "provisioner.yaml", "ClusterRole")
        for rule in role["rules"]
        if "bind" in rule["verbs"]
    )
    assert bind["resourceNames"] == ["sentiment-tenant"]


def plural(kind: str) -> str:
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"


def test_only_the_provisioner_that_the_app_names_can_be_impersonated() -> None:
    (rule,) = component_role("app-access", "provisioner")["rules"]
    assert rule["verbs"] == ["impersonate"]
    assert rule["resourceNames"] == [example_app().spec.tenant.service_account_name]


def test_the_webhook_may_read_one_named_secret_of_the_example_and_nothing_else() -> None:
    assert component_role("app-logout", "access")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["single-logout"], "verbs": ["get"]}
    ]


def test_the_example_gives_the_webhook_no_right_to_a_secret_that_its_app_does_not_name() -> None:
    (kustomization,) = documents(EXAMPLE / "kustomization.yaml")
    used = {"app-logout", "app-records"} & {path.rpartition("/")[2] for path in kustomization["components"]}
    spec = example_app().spec
    assert used == {name for name, wanted in (("app-logout", spec.logout), ("app-records", spec.users)) if wanted}


def test_the_operator_may_write_secrets_in_the_namespace_of_an_app_only() -> None:
    written = [
        (role["kind"], set(rule["verbs"]) - {"get", "list", "delete"})
        for path in (
            *sorted(COMPONENTS.glob("app-*/*.yaml")),
            *sorted((BASE / "operator").rglob("*.yaml")),
        )
        if path.name != "kustomization.yaml"
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


def component_role(component: str, file: str) -> dict[str, Any]:
    (role,) = of_kind(COMPONENTS / component / f"{file}.yaml", "Role")
    return role


def test_the_demos_app_is_the_one_that_the_simulator_takes_where_a_command_names_none() -> None:
    (kustomization,) = documents(MANIFESTS / "overlays" / "demo" / "app" / "kustomization.yaml")
    changes = [change for patch in kustomization["patches"] for change in yaml.safe_load(patch["patch"])]
    assert [change["value"] for change in changes if change["path"] == "/spec/appId"] == [DEFAULT_APP_ID]
