"""Mistakes of a template that concern every customer are in the app's condition before the first of them comes."""

from typing import Any

import pytest

from builders.objects import NOON, app
from builders.operator_in_memory import NAMESPACE, config_map, template
from talkdesk_operator.reconcilers.apps import app_status, compile_app


def said(*manifests: dict[str, Any], **spec: Any) -> str:
    """Return what the app's condition Ready says of a template with these manifests; empty where it is in order."""
    step = {"name": "base", "manifests": [NAMESPACE, *manifests]}
    (ready,) = app_status(compile_app(app(tenant=template(step), **spec)), NOON).conditions
    if ready.status == "True":
        return ""
    assert ready.reason == "TemplateInvalid"
    return ready.message


def fact(expression: str) -> dict[str, Any]:
    return config_map("facts", data={"x": f"${{{expression}}}"})


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("acount.name", "no such variable: acount, did you mean account?"),
        ("account.compnayName", "no such member: account.compnayName, did you mean companyName?"),
        ("app.nmae", "no such member: app.nmae, did you mean name?"),
        ("installation.appversion", "no such member: installation.appversion, did you mean appVersion?"),
        ("subscription.licences", "no such member: subscription.licences, did you mean licenses?"),
        ("trial.expiration", "no such member: trial.expiration, did you mean expirationTime?"),
        ("tenant.suspend", "no such member: tenant.suspend, did you mean suspended?"),
        ("tenant.value.size", "no such member: tenant.value, did you mean values?"),
        ("sso.clientID", "no such member: sso.clientID, did you mean clientId?"),
        ("dnslabel(account.id)", "unknown function dnslabel(), did you mean dnsLabel?"),
        ("account.id.startWith('a')", "unknown function startWith(), did you mean startsWith?"),
        ("math.gratest(1, 2)", "unknown function gratest(), did you mean greatest?"),
    ],
)
def test_a_misspelled_name_is_said_with_the_nearest_that_there_is(expression: str, meant: str) -> None:
    assert meant in said(fact(expression))
    assert "steps[base].manifests[1].data.x: " in said(fact(expression))


def test_a_misspelled_credential_is_said_likewise() -> None:
    secret = config_map("keys", kind="Secret", data={"x": "${base64.encode(bytes(credentials.clientSecrt))}"})
    assert "no such member: credentials.clientSecrt, did you mean clientSecret?" in said(secret)


@pytest.mark.parametrize("url", ["https://x.example/${accont.name}", "https://x.example/${account.nme}"])
def test_addresses_and_rules_are_looked_at_too(url: str) -> None:
    scim = {"url": url, "tokenSecretRef": {"name": "scim", "key": "token"}}
    assert "did you mean" in said(users={"scim": scim})
    rule = {"expression": url.partition("{")[2].rstrip("}") + " == 'x'", "reason": "no"}
    assert "did you mean" in said(approval={"rejectWhen": [rule]})


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (config_map("a") | {"metadata": {}}, "manifests[1].metadata.name: is missing or not a text"),
        (config_map("a") | {"metadata": {"name": 7}}, "metadata.name: is missing or not a text"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "manifests[1].metadata: is missing"),
        ({"kind": "ConfigMap", "metadata": {"name": "a"}}, "manifests[1].apiVersion: is missing or not a text"),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "manifests[1].kind: is missing or not a text"),
        (fact("credentials.clientId"), "credentials can only be used in data and stringData of a v1 Secret"),
        (config_map("a", data={"x": "${account.id"}), "data.x: the expression after ${ has no closing brace"),
        (fact("account.id =="), "data.x: syntax error"),
        (NAMESPACE, "manifests[1]: is the same object as steps[base].manifests[0]"),
        (config_map("a", status={"x": 1}), "status belongs to the cluster"),
        ({"apiVersion": "v1", "kind": "List", "metadata": {"name": "a"}, "items": []}, "a list of objects must be"),
    ],
)
def test_a_manifest_that_can_work_for_nobody_is_said_with_its_place(manifest: dict[str, Any], why: str) -> None:
    assert why in said(manifest)


def test_all_mistakes_are_said_at_once() -> None:
    message = said(fact("acount.name"), config_map("a") | {"metadata": {}}, fact("nope()"))
    for part in ("did you mean account?", "metadata.name: is missing", "unknown function nope()"):
        assert part in message
