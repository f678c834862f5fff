"""Whose fault it is that a template can't be rendered: the customer's only if it works for a typical customer."""

import sys
from typing import Any

import pytest
from typing_extensions import override

from builders.objects import app, app_object
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.reconcile.scope import FaultOwner
from talkdesk_operator.domain.tenant.typical_customer import (
    fault_of_rendering,
    limit_met,
    misplaced,
    name_problem,
    render_typical,
)
from talkdesk_operator.templates import cel
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.evaluator import Evaluator, Variables
from talkdesk_operator.templates.render import render
from talkdesk_operator.templates.template import CompiledTemplate, StepSource

LETTERS = "'abcdefghijklmnopqrstuvwxyz'.split('')"
ENDLESS = f"account.name.size() > 99 && {LETTERS}.exists(x, account.name.matches('((a{{1,50}}){{1,50}}){{1,50}}b'))"
"""Takes too long with a long name alone."""
NAMES = {"app_name": "sentiment", "tenant_name": "sentiment-1"}


def template(value: str = "x", name: str = "td-${account.id}") -> CompiledTemplate:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": value}}
    return CompiledTemplate.compile(name, [StepSource("base", [manifest])], "1")


def context(**facts: Any) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {
        "account": {"id": "a1", "name": "acme-east", "companyName": "Acme & Sons", "timezone": None},
        "installation": {"id": "i1", "name": "sentiment-i1", "appVersion": None, "createdBy": None},
        "subscription": {"type": None, "name": None, "licenses": None},
        "trial": {"state": None, "expirationTime": None},
        "tenant": {"name": "", "state": "Active", "suspended": False, "values": {"size": 1}},
        "app": {"id": "app-1", "name": "sentiment", "namespace": "team", "region": "US"},
        "sso": {"authorizationUrl": None, "issuer": None, "clientId": "c", "scopes": []},
        "credentials": {"clientId": "c"},
    }
    return {name: members | facts.get(name, {}) for name, members in known.items()}


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("x", "${account.companyName}"),
        ("${int(account.name)}", "td"),
        ("${tenant.values.missing}", "td"),
        ("${tenant.values.size + account.name}", "td"),
        ("${sso.issuer}/", "td"),
        ("${account.name + 1}", "td"),
        ("for ${account.timezone}", "td"),
        ("${string(int(subscription.licenses) / 0)}", "td"),
        ("x", "no label!"),
    ],
)
def test_a_mistake_in_the_template_is_ours_and_so_is_what_talkdesk_left_out(value: str, name: str) -> None:
    broken = template(value, name)
    with_all = context(account={"name": "acme", "companyName": None}) if "companyName" in name else context()
    with pytest.raises(RenderError):
        render(broken, with_all, **NAMES)
    assert fault_of_rendering(broken, with_all, **NAMES) is FaultOwner.OURS


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("value", "name", "facts"),
    [
        ("x", "td-${account.name}", {"account": {"name": "Acme & Sons"}}),
        ("x", "td-${account.name}", {"account": {"name": "a" * 61}}),
        ("${string(100 / subscription.licenses)}", "td", {"subscription": {"licenses": 0}}),
        ("for ${account.timezone + string(10 / subscription.licenses)}", "td", {"subscription": {"licenses": 0}}),
    ],
)
def test_what_fails_with_one_customers_facts_alone_is_that_customers(
    value: str, name: str, facts: dict[str, Any]
) -> None:
    assert fault_of_rendering(template(value, name), context(**facts), **NAMES) is FaultOwner.CUSTOMER


def test_a_typical_customer_has_a_tenant_of_another_name() -> None:
    named = context(tenant={"name": "td-a1"})
    typical = render_typical(template(), named, **NAMES)
    assert typical is not None
    assert typical.name != render(template(), named, **NAMES).name


def test_a_limit_that_is_met_once_the_missing_fact_is_there_proves_nothing() -> None:
    broken = template(f"${{account.timezone}}/${{string({ENDLESS})}}")
    long_name = context(account={"name": "a" * 200})
    with pytest.raises(RenderError) as caught:
        render(broken, long_name, **NAMES)
    assert not caught.value.exhausted, "the missing fact comes first"
    assert render_typical(broken, long_name, **NAMES) is not None
    assert fault_of_rendering(broken, long_name, **NAMES) is FaultOwner.OURS


class BusyLater(Evaluator):
    """The machine becomes too busy after so many evaluations."""

    left = 1

    @override
    def evaluate(self, source: str, variables: Variables, language: str = "") -> tuple[Any, float]:
        self.left -= 1
        return super().evaluate(source, variables, language) if self.left < 0 else (True, 0.0)


@pytest.mark.parametrize("before", [0, 1])
def test_a_busy_machine_proves_nothing(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    busy = BusyLater((sys.executable, "-c", "import time; time.sleep(10)"), patience=0.1)
    busy.left = before
    monkeypatch.setattr(cel, "EVALUATOR", busy)
    broken = template("${account.name.matches('x')}")
    assert fault_of_rendering(broken, context(), **NAMES) is FaultOwner.OURS


def test_a_busy_machine_is_no_limit_that_the_template_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    app = TalkdeskApp.read(app_object("sentiment"))
    busy = Evaluator((sys.executable, "-c", "import time; time.sleep(10)"), patience=0.1)
    monkeypatch.setattr(cel, "EVALUATOR", busy)
    assert limit_met(template("${account.name.matches('x')}"), app) == ""


WIDGET = ("example.com", "Widget")


@pytest.mark.case(66)
@pytest.mark.parametrize(
    ("kind", "name", "namespace", "scopes", "is_named"),
    [
        ("ConfigMap", "a", "default", {("", "ConfigMap"): True}, True),
        ("ConfigMap", "a", "${tenant.name}", {("", "ConfigMap"): True}, False),
        ("Namespace", "shared", "", {("", "Namespace"): False}, True),
        ("Namespace", "${tenant.name}-db", "", {("", "Namespace"): False}, False),
        ("Widget", "${tenant.name}", "default", {WIDGET: False}, False),
        ("Widget", "${tenant.name}", "default", {WIDGET: True}, True),
        ("Widget", "${tenant.name}", "default", {}, False),
        ("Widget", "a", "default", {}, True),
        ("ConfigMap", "${tenant.values.missing}", "default", {("", "ConfigMap"): True}, False),
    ],
)
def test_an_object_outside_a_typical_customers_tenant_is_named(
    kind: str, name: str, namespace: str, scopes: dict[tuple[str, str], bool], *, is_named: bool
) -> None:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    version = "example.com/v1" if kind == "Widget" else "v1"
    manifest = {"apiVersion": version, "kind": kind, "metadata": metadata}
    compiled = CompiledTemplate.compile("td-${account.id}", [StepSource("base", [manifest])], "1")
    said = misplaced(compiled, TalkdeskApp.read(app_object()), scopes)
    assert (kind in said, "tenant.objectScope: Any" in said) == (is_named, is_named)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Not a label", "is not a DNS label"),
        ("acme", ""),
        ("${account.name + '!'}", ""),
    ],
    ids=["for every customer", "none", "only the customer shows"],
)
def test_a_name_that_no_tenant_can_have_is_said_before_there_is_one(name: str, problem: str) -> None:
    steps = [{"name": "base", "manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}]
    found = name_problem(template(name=name), app(tenant={"serviceAccountName": "provisioner", "steps": steps}))
    assert problem in found
    assert bool(found) == bool(problem)
