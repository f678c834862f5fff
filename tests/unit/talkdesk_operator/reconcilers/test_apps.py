"""An app is understood as far as it can be, and what is wrong with it becomes a sentence."""

from typing import Any

import pytest

from builders.objects import NOON, app
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.apps import app_status, compile_app


def understood(*expressions: str, **spec: Any) -> CompiledApp:
    rules = [{"expression": e, "reason": f"no. {n}"} for n, e in enumerate(expressions, 1)]
    return compile_app(app(approval={"rejectWhen": rules}, **spec))


def test_rules_are_compiled_in_their_order() -> None:
    view = understood("account.name == 'acme'", "request.type == 'Update'")
    assert view.problem == ""
    assert [(r.expression.source, r.reason) for r in view.reject_rules] == [
        ("account.name == 'acme'", "no. 1"),
        ("request.type == 'Update'", "no. 2"),
    ]


@pytest.mark.parametrize("name", ["app", "account", "installation", "subscription", "trial", "request"])
def test_a_rule_may_ask_for_anything_that_is_known_before_the_tenant_is_made(name: str) -> None:
    assert understood(f"has({name}.id)").problem == ""


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("account.name ==", "approval.rejectWhen 'account.name ==': "),
        ("tenant.suspended", "no such variable: tenant (there are account, app, installation, request, "),
        ("credentials.clientSecret == ''", "no such variable: credentials"),
        ("sso.issuer == ''", "no such variable: sso"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_named_and_leaves_no_rule_in_force(expression: str, why: str) -> None:
    view = understood("true", expression)
    assert why in view.problem
    assert expression in view.problem
    assert view.reject_rules == ()
    assert view.template is not None
    assert view.hosts is not None
    (ready,) = app_status(view, NOON).conditions
    assert (ready.status, ready.reason, ready.message) == ("False", Reason.TEMPLATE_INVALID, view.problem)


def test_a_variable_that_the_rule_binds_itself_is_no_unknown_one() -> None:
    assert understood("['acme'].exists(name, name == account.name)").problem == ""


def test_what_is_wrong_with_the_template_or_the_hosts_is_said_first() -> None:
    steps = [{"name": "base", "manifests": [{"kind": "${ 1 +"}]}]
    broken = understood("tru(", tenant={"serviceAccountName": "provisioner", "steps": steps})
    assert broken.template is None
    assert "rejectWhen" not in broken.problem
    nowhere = understood("tru(", region=None)
    assert nowhere.hosts is None
    assert "neither a region nor endpoints" in nowhere.problem
