"""Steps that call a service: what a template may say of them, and what a service gets of one account."""

from typing import Any

import pytest

from talkdesk_crds.app_http import HttpStep
from talkdesk_operator.templates import CompiledTemplate, RenderedTenant, RenderError, StepSource, TemplateError, render
from talkdesk_operator.templates.http_call import RenderedHttp
from talkdesk_operator.templates.outputs import made_up

CONTEXT: dict[str, Any] = {
    "app": {"id": "f9", "name": "sentiment", "namespace": "apps", "region": "US"},
    "account": {"id": "5f1", "name": "acme", "companyName": "Acme", "timezone": "UTC"},
    "installation": {"id": "i1", "name": "sentiment-i1", "appVersion": "1.2", "createdBy": "u1"},
    "subscription": {"type": "paid", "name": "gold", "licenses": 3},
    "trial": {"state": None, "expirationTime": None},
    "tenant": {"name": "td-acme", "state": "Active", "suspended": False, "values": {"color": "blue"}},
    "sso": {"scopes": []},
    "credentials": {"clientId": "id", "clientSecret": "canary"},
}


def http(**fields: Any) -> HttpStep:
    known = {"url": "https://control.example.com/v1/tenants", "secretRef": {"name": "hook", "key": "key"}}
    return HttpStep.model_validate(known | fields)


def call(name: str = "account", **fields: Any) -> StepSource:
    return StepSource(name, (), http=http(**fields))


def objects(*manifests: dict[str, Any], name: str = "objects") -> StepSource:
    return StepSource(name, manifests)


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "facts", "namespace": "x"}, "data": data}


def secret(**data: str) -> dict[str, Any]:
    return config_map() | {"kind": "Secret", "stringData": data}


def compiled(*steps: StepSource, hosts: tuple[str, ...] = (), insecure: bool = False) -> CompiledTemplate:
    return CompiledTemplate.compile("${dnsLabel(account.id)}", steps, "r1", hosts, insecure=insecure)


def problems(*steps: StepSource, hosts: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        compiled(*steps, hosts=hosts)
    return [problem.message for problem in caught.value.problems]


def rendered(*steps: StepSource, hosts: tuple[str, ...] = (), insecure: bool = False, **context: Any) -> RenderedTenant:
    template = compiled(*steps, hosts=hosts, insecure=insecure)
    return render(template, CONTEXT | context, app_name="sentiment", tenant_name="sentiment-5f1")


def called(tenant: RenderedTenant) -> RenderedHttp:
    found = tenant.steps[0].http
    assert found is not None
    return found


def test_a_service_gets_what_is_known_of_the_tenant() -> None:
    found = called(rendered(call()))
    assert found.url == "https://control.example.com/v1/tenants"
    assert found.is_default
    assert found.body == {
        "tenant": {"id": "sentiment-5f1", "name": "td-acme", "values": {"color": "blue"}},
        "state": "Active",
        **{name: CONTEXT[name] for name in ("account", "installation", "subscription", "trial")},
    }
    assert "canary" not in repr(rendered(call(credentials=True)))
    assert called(rendered(call(credentials=True))).body["credentials"] == CONTEXT["credentials"]


def test_a_body_and_headers_of_its_own_are_filled_in() -> None:
    headers = {"X-Plan": "${subscription.name}", "X-Seats": "${subscription.licenses}", "X-On": "${tenant.suspended}"}
    body = {"plan": "${subscription.name}", "id": "${credentials.clientId}"}
    found = called(rendered(call(headers=headers, body=body, credentials=True)))
    assert (found.body, found.is_default) == ({"plan": "gold", "id": "id"}, False)
    assert found.headers == {"X-Plan": "gold", "X-Seats": "3", "X-On": "false"}


@pytest.mark.parametrize("value", [" a", "a\nb", "ü", "${account.companyName}\r\nX-Other: 1"])
def test_a_header_that_no_request_can_hold_is_refused(value: str) -> None:
    with pytest.raises(RenderError, match="printable ASCII"):
        rendered(call(headers={"X-Name": value}))
    with pytest.raises(RenderError, match="printable ASCII"):
        rendered(call(headers={"X-Name": "${tenant.values}"}))


P = "steps[account].http"
_BROKEN = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": "https://x/${"}, f"{P}.url: the expression after ${{ has no closing brace"),
        ({"url": "https://${account.name}.example.com"}, f"{P}.url: an expression gives the host"),
        ({"url": "https://x/${credentials.clientId}"}, f"{P}.url: credentials can only be used in data and stringData"),
        ({"url": "https://x/${nobody}"}, f"{P}.url: no such variable: nobody"),
        ({"headers": {"a b": "c"}}, f'{P}.headers["a b"]: is not a name of a header'),
        ({"headers": {"Host": "c"}}, f"{P}.headers.Host: this header is the operator's own"),
        ({"headers": {"X": "${credentials.clientId}"}}, f"{P}.headers.X: credentials can only be used"),
        ({"body": {"a": "${credentials.clientId}"}}, f"{P}.body.a: credentials can only be used in a body whose step"),
        ({"body": {"a": "${outputs.account.x}"}}, f"{P}.body.a: no such variable: outputs"),
        ({"body": {"a": "${1 +}"}}, f"{P}.body.a: "),
        ({"caBundle": "x"}, f"{P}.caBundle: holds no certificates in PEM"),
        ({"caBundle": _BROKEN}, f"{P}.caBundle: holds no certificates"),
    ],
)
def test_what_cannot_work_is_said_with_its_path(fields: dict[str, Any], expected: str) -> None:
    [problem] = problems(call(**fields))
    assert problem.startswith(expected)


@pytest.mark.case(76)
def test_a_service_is_called_on_the_hosts_that_the_app_names_alone() -> None:
    anywhere = call(url="https://${account.name}.example.com/t")
    assert called(rendered(anywhere, hosts=("*.example.com",))).url == "https://acme.example.com/t"
    with pytest.raises(RenderError, match="the host is not among"):
        rendered(anywhere, hosts=("*.example.com",), account=CONTEXT["account"] | {"name": "a.b"})
    with pytest.raises(RenderError, match=r"steps\[account\]\.http\.url"):
        rendered(anywhere, hosts=("*.example.com",), account=CONTEXT["account"] | {"name": "evil.org/x#"})
    assert problems(call(), hosts=("other.example.com",)) == [
        f"{P}.url: the host control.example.com is not among tenant.httpHosts"
    ]
    assert called(rendered(call(), hosts=("CONTROL.example.com",))).url


@pytest.mark.parametrize(("allowed", "ours"), [(True, False), (False, True), (False, False)])
def test_plain_http_needs_both_the_step_and_the_operator(allowed: bool, ours: bool) -> None:  # noqa: FBT001
    plain = call(url="http://control.local", allowInsecure=allowed)
    with pytest.raises(RenderError, match="must begin with https://"):
        rendered(plain, insecure=ours)
    assert called(rendered(call(url="http://control.local", allowInsecure=True), insecure=True)).url


OUTPUTS = {"account": {"endpoint": "https://x", "secrets": {"password": "canary"}}}


def test_outputs_are_filled_in_where_they_are_known() -> None:
    steps = (
        call(),
        call("second", body={"at": "${outputs.account.endpoint}"}),
        objects(
            config_map(at="${outputs['account'].endpoint}"),
            secret(word="${outputs.account.secrets.password}"),
        ),
    )
    tenant = rendered(*steps, outputs=OUTPUTS | {"second": {}})
    config, login = tenant.steps[2].objects
    assert config["data"] == {"at": "https://x"}
    assert login["data"] == {"word": "Y2FuYXJ5"}
    assert tenant.steps[1].http is not None
    assert tenant.steps[1].http.body == {"at": "https://x"}
    assert [step.awaits for step in tenant.steps] == [frozenset()] * 3


def test_of_what_awaits_outputs_only_the_names_are_known() -> None:
    steps = (
        call(),
        call("second", body={"at": "${outputs.account.endpoint}"}),
        objects(config_map(at="${outputs.second.x}")),
    )
    tenant = rendered(*steps)
    assert [step.awaits for step in tenant.steps] == [frozenset(), {"account"}, {"second"}]
    assert tenant.steps[1].http is None
    [config] = tenant.steps[2].objects
    assert config.keys() == {"apiVersion", "kind", "metadata"}
    assert (config["metadata"]["name"], config["metadata"]["namespace"]) == ("facts", "x")


def test_a_step_that_a_customer_does_not_get_calls_nothing() -> None:
    left_out = StepSource("account", (), http=http(), include_when="subscription.type == 'trial'")
    [step] = rendered(left_out).steps
    assert (step.included, step.http, step.awaits) == (False, None, frozenset())


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ("${outputs.acount.x}", "no http step acount comes before this one, did you mean account? (there are account)"),
        ("${outputs.account}", "write outputs.STEP.NAME, or outputs['STEP'].NAME for a step with a hyphen"),
        ("${outputs.account.secrets}", "write outputs.account.secrets.NAME"),
        (
            "${outputs.account.secrets.x}",
            "outputs.account.secrets can only be used in data and stringData of a v1 Secret",
        ),
        ("${[1].map(outputs, outputs)[0]}", "outputs cannot be the variable of a comprehension"),
    ],
)
def test_outputs_that_cannot_be_there_are_said(leaf: str, expected: str) -> None:
    found = problems(call(), objects(config_map(a=leaf)))
    assert any(each.startswith(f"steps[objects].manifests[0].data.a: {expected}") for each in found)


def test_outputs_name_no_objects_and_come_from_steps_before() -> None:
    named = config_map() | {"metadata": {"name": "${outputs.account.x}"}}
    [problem] = problems(call(), objects(named))
    assert problem.startswith("steps[objects].manifests[0].metadata.name: outputs cannot be used here: ")
    later = problems(objects(config_map(a="${outputs.account.x}")), call())
    assert later[0].startswith("steps[objects].manifests[0].data.a: no such variable: outputs")
    crooked = config_map() | {"metadata": "${outputs.account.x}"}
    assert problems(call(), objects(crooked))


def test_made_up_outputs_are_those_that_a_template_uses() -> None:
    template = compiled(
        call(),
        objects(config_map(a="${outputs.account.x}"), secret(b="${outputs.account.secrets.y + outputs.account.z}")),
    )
    found = made_up(expr for step in template.steps for expr in step.expressions())
    values = {"x": "outputs.account.x", "z": "outputs.account.z", "secrets": {"y": "outputs.account.secrets.y"}}
    assert found == {"account": values}
