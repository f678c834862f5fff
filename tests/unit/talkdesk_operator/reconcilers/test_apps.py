"""An app is compiled as far as possible, what is wrong with it is reported, and its status is written on change."""

from typing import Any

import pytest

from builders.api_server import ApiServer
from builders.objects import NOON, app, app_object
from builders.operator_in_memory import template
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.apps import CompiledApps, app_status, compile_app


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
def test_a_rule_may_use_all_facts_that_are_known_before_the_tenant_is_made(name: str) -> None:
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
def test_an_invalid_rule_is_named_and_no_rule_applies(expression: str, why: str) -> None:
    view = understood("true", expression)
    assert why in view.problem
    assert expression in view.problem
    assert view.reject_rules == ()
    assert view.template is not None
    assert view.hosts is not None
    (ready,) = app_status(view, NOON).conditions
    assert (ready.status, ready.reason, ready.message) == ("False", Reason.TEMPLATE_INVALID, view.problem)


def test_a_rule_may_use_a_variable_that_it_binds_itself() -> None:
    assert understood("['acme'].exists(name, name == account.name)").problem == ""


def test_a_wrong_template_or_host_is_reported_before_a_wrong_rule() -> None:
    steps = [{"name": "base", "manifests": [{"kind": "${ 1 +"}]}]
    broken = understood("tru(", tenant={"serviceAccountName": "provisioner", "steps": steps})
    assert broken.template is None
    assert "rejectWhen" not in broken.problem
    nowhere = understood("tru(", region=None)
    assert nowhere.hosts is None
    assert "neither a region nor endpoints" in nowhere.problem


APP = "PATCH talkdeskapps/sentiment/status"


def written() -> tuple[ApiServer, CompiledApps]:
    server = ApiServer(app_object())
    kube = server.kube
    cluster = KubernetesCluster(
        kube,
        Resources(kube),
        instance="operator-1",
        now=lambda: NOON,
        seen=lambda _: None,
        applied=lambda _, __: None,
        wrote=lambda _, __: None,
    )
    return server, CompiledApps(cluster, lambda: NOON)


def stored(server: ApiServer) -> TalkdeskApp:
    return TalkdeskApp.read(server.get("TalkdeskApp", "sentiment"))


async def test_an_apps_status_is_written_once_and_again_only_when_it_changes() -> None:
    server, apps = written()
    for _ in range(3):
        await apps.write_status(stored(server))
    assert server.journal.writes == [APP]
    server.edit("TalkdeskApp", "sentiment", {"spec": {"tenant": template({"name": "a", "manifests": [{}]})}})
    for _ in range(3):
        await apps.write_status(stored(server))
    assert server.journal.writes == [APP, APP]
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason, ready.observed_generation) == ("False", Reason.TEMPLATE_INVALID, 2)


async def test_a_repaired_app_becomes_ready() -> None:
    server, apps = written()
    server.edit("TalkdeskApp", "sentiment", {"spec": {"region": None}})
    await apps.write_status(stored(server))
    server.edit("TalkdeskApp", "sentiment", {"spec": {"region": "US"}})
    await apps.write_status(stored(server))
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason) == ("True", Reason.SUCCEEDED)


def test_endpoints_of_its_own_take_the_place_of_a_region() -> None:
    endpoints = {"api": "https://api.example.com", "token": "https://{account}.example.com/oauth/token"}
    found = understood(region=None, endpoints=endpoints)
    assert found.hosts is not None
    assert found.hosts.api_url == "https://api.example.com"


def test_an_app_is_compiled_once_for_each_generation_and_shown_as_it_is_now() -> None:
    _, apps = written()
    first = app()
    changed = first.model_copy(update={"status": AppStatus(observed_generation=1)})
    assert apps.view(first).template is apps.view(changed).template
    assert apps.view(changed).resource is changed
    newer = app(meta={"generation": 2})
    assert apps.view(newer).template is not apps.view(first).template


def test_only_the_apps_used_last_are_kept_compiled() -> None:
    _, apps = written()
    known = [app(meta={"uid": f"uid-{number}"}) for number in range(257)]
    oldest, second = (apps.view(each).template for each in known[:2])
    for each in [*known[2:256], known[0], known[256]]:
        apps.view(each)
    assert apps.view(known[0]).template is oldest
    assert apps.view(known[1]).template is not second
