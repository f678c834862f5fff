"""The example of single sign-on: understood by the operator, fit for every customer, with the rights that it needs."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from builders.manifest_files import COMPONENTS, MANIFESTS, documents, of_kind
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.templates import RenderedTenant, render
from talkdesk_operator.templates.inventory import planned
from talkdesk_operator.templates.placement import outside
from talkdesk_operator.templates.variables import MEMBERS
from talkdesk_sandbox.controlplane.build import Recipe
from talkdesk_sandbox.controlplane.tools import OAUTH2_PROXY
from talkdesk_sandbox.sso import AppSettings

EXAMPLE = MANIFESTS / "examples" / "sso"
RBAC = "rbac.authorization.k8s.io"
OUTPUTS = {"directory": {"tenant": "sso-5f1e", "secrets": {"cookieSecret": "canary-cookie", "token": "canary-token"}}}


def app() -> TalkdeskApp:
    (raw,) = documents(EXAMPLE / "app.yaml")
    return TalkdeskApp.read(raw | {"metadata": raw["metadata"] | {"uid": "u", "generation": 1}})


def tenant(fact: str | None = "https://acme.talkdeskid.com", **values: str) -> RenderedTenant:
    """Return the tenant of a customer of whom every fact is the same."""
    spec, template = app().spec, compile_app(app()).template
    assert template is not None
    context: dict[str, Any] = {
        name: dict.fromkeys(members, fact)
        for name, members in MEMBERS.items()
        if name not in {"request", "credentials"}
    }
    context["app"] = {"id": spec.app_id, "name": "sso", "namespace": "sso", "region": "US"}
    context["account"]["id"] = "5f1e"
    context["sso"]["scopes"] = ["openid"]
    context["tenant"] = {"name": "", "state": "Active", "suspended": False, "values": spec.tenant.values | values}
    context["credentials"] = dict.fromkeys(MEMBERS["credentials"], "canary-credential")
    return render(template, context | {"outputs": OUTPUTS}, app_name="sso", tenant_name="sso-5f1e")


def objects(rendered: RenderedTenant) -> list[dict[str, Any]]:
    return [each for step in rendered.steps for each in step.objects]


def pod(rendered: RenderedTenant) -> dict[str, Any]:
    (found,) = (each for each in objects(rendered) if each["kind"] == "Deployment")
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


def variables(rendered: RenderedTenant, name: str) -> dict[str, Any]:
    (container,) = (each for each in pod(rendered)["containers"] if each["name"] == name)
    return {each["name"]: each.get("value") for each in container["env"]}


def test_the_example_is_understood() -> None:
    view = compile_app(app())
    assert view.problem == ""
    assert view.hosts is not None


@pytest.mark.parametrize("fact", [None, "", 'Acme "Ltd" ${credentials.clientId}\n{{ x }}'])
def test_the_template_fits_every_account_and_stays_inside_its_tenant(fact: str | None) -> None:
    rendered = tenant(fact)
    assert outside(planned(rendered), rendered.name) == ""
    kinds = [each["kind"] for each in objects(rendered)]
    assert kinds == ["Namespace", "RoleBinding", "NetworkPolicy", "Secret", "Deployment", "Service"]


def test_a_tenant_gets_an_ingress_when_the_app_or_the_customer_has_a_class() -> None:
    (ingress,) = (each for each in objects(tenant(ingressClass="nginx")) if each["kind"] == "Ingress")
    redirect = variables(tenant(), "oauth2-proxy")["OAUTH2_PROXY_REDIRECT_URL"]
    assert redirect == f"https://{ingress['spec']['rules'][0]['host']}/oauth2/callback"


def test_secrets_are_in_the_secret_alone_which_goes_with_the_customer() -> None:
    rendered = tenant()
    for step in rendered.steps:
        for each in step.objects:
            if each["kind"] == "Secret":
                assert step.on_offboard == "Delete"
            else:
                assert "canary" not in str(each)


def test_the_pod_has_no_privilege_and_no_token_of_the_cluster() -> None:
    spec = pod(tenant())
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_reference_app_gets_each_of_its_settings() -> None:
    given = variables(tenant(), "app")
    assert given.keys() == {f"SSO_{name.upper()}" for name in AppSettings.model_fields}


def test_the_proxy_and_the_app_believe_the_same_issuer_client_and_keys() -> None:
    proxy, given = variables(tenant(), "oauth2-proxy"), variables(tenant(), "app")
    assert proxy["OAUTH2_PROXY_OIDC_ISSUER_URL"] == given["SSO_ISSUER"]
    assert proxy["OAUTH2_PROXY_CLIENT_ID"] == given["SSO_CLIENT_ID"]
    assert proxy["OAUTH2_PROXY_OIDC_JWKS_URL"] == given["SSO_JWKS_URL"]


def test_the_image_of_the_proxy_has_the_version_that_the_tests_play_with() -> None:
    images = {each["name"]: each["image"] for each in pod(tenant())["containers"]}
    assert images["oauth2-proxy"].endswith(f":{Recipe.read(OAUTH2_PROXY.product, OAUTH2_PROXY.module).version}")


def test_the_provisioner_has_a_right_to_each_kind_of_the_template_and_to_no_other() -> None:
    everywhere, inside = role("sso-tenant-provisioner"), role("sso-tenant")
    rendered = objects(tenant(ingressClass="nginx"))
    needed = {(each["apiVersion"].rpartition("/")[0], plural(each["kind"])) for each in rendered}
    own = {("", "namespaces"), (RBAC, "rolebindings")}
    apply = {"get", "create", "patch", "delete"}
    assert inside == dict.fromkeys(needed - own, apply)
    assert {what for what, verbs in everywhere.items() if verbs >= apply} == own
    assert everywhere.keys() == needed - {("", "secrets")} | {(RBAC, "clusterroles")}


def role(name: str) -> dict[tuple[str, str], set[str]]:
    (found,) = (
        each for each in of_kind(EXAMPLE / "provisioner.yaml", "ClusterRole") if each["metadata"]["name"] == name
    )
    return {
        (group, resource): set(rule["verbs"])
        for rule in found["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind.lower()[:-1]}ies"
    return f"{kind.lower()}es" if kind.endswith("s") else f"{kind.lower()}s"


def test_the_webhook_may_read_the_secret_that_the_logout_names() -> None:
    (access,) = of_kind(COMPONENTS / "app-logout" / "access.yaml", "Role")
    logout = app().spec.logout
    assert logout is not None
    assert access["rules"][0]["resourceNames"] == [logout.secret_ref.name]


def test_the_kustomization_says_how_each_secret_is_made_that_the_app_names() -> None:
    text = (EXAMPLE / "kustomization.yaml").read_text()
    made = set(re.findall(r"create secret generic (\S+)", text))
    app_yaml = (EXAMPLE / "app.yaml").read_text()
    assert made == set(re.findall(r"[sS]ecretRef: \{name: (\S+),", app_yaml)) - {"login"}
    (kustomization,) = documents(EXAMPLE / "kustomization.yaml")
    components = TypeAdapter(list[str]).validate_python(kustomization["components"])
    assert {each.rpartition("/")[2] for each in components} == {
        "app-access",
        "app-logout",
        "app-records",
        "tenant-provisioner",
    }
