"""An app is compiled as far as possible, what is wrong with it is reported, and its status is written on change."""

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.api_server import ApiServer
from builders.notified import keys_secret
from builders.objects import NOON, app, app_object, endpoint_object
from builders.operator_in_memory import config_map, template
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, APP_FINALIZER
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.reconcile.access import AccessReport, Party, Place, Right
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.reconcilers.apps import CompiledApps, app_status, compile_app
from talkdesk_runtime.kube_errors import KubeUnreachable


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


@pytest.mark.parametrize(
    "member", ["app.id", "account.id", "installation.id", "subscription.type", "trial.state", "request.type"]
)
def test_a_rule_may_use_all_facts_that_are_known_before_the_tenant_is_made(member: str) -> None:
    assert understood(f"has({member})").problem == ""


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


@pytest.mark.parametrize("expression", ["true", "tru("])
def test_whatever_is_wrong_plain_http_stays_allowed_where_the_operator_allows_it(expression: str) -> None:
    rules = [{"expression": expression, "reason": "no"}]
    assert compile_app(app(approval={"rejectWhen": rules}), allow_insecure=True).allow_insecure
    steps = [{"name": "base", "manifests": [{"kind": "${ 1 +"}]}]
    broken = app(tenant={"serviceAccountName": "provisioner", "steps": steps})
    assert compile_app(broken, allow_insecure=True).allow_insecure


@pytest.mark.parametrize(
    ("endpoints", "problem"),
    [
        ({"api": "https://a.example:99999"}, "endpoints.api: the URL's port can't be read"),
        ({"token": "https://u:p@a.example"}, "endpoints.token: a URL here holds no user name or password"),
        ({"token": "http://a.example"}, "endpoints.token: http://a.example is plain http: that needs endpoints.allow"),
    ],
)
def test_what_is_wrong_with_a_host_names_its_field(endpoints: dict[str, str], problem: str) -> None:
    own = {"api": "https://api.example.com", "token": "https://api.example.com/token", "allowInsecure": True}
    assert compile_app(app(region=None, endpoints=own | endpoints)).problem.startswith(problem)


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
    return server, CompiledApps(cluster_of(server), lambda: NOON)


def cluster_of(server: ApiServer, now: Callable[[], datetime] = lambda: NOON) -> KubernetesCluster:
    return KubernetesCluster(
        server.kube,
        Resources(server.kube),
        instance="operator-1",
        now=now,
        seen=lambda _: None,
        applied=lambda _, __: None,
        wrote=lambda _, __: None,
    )


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
    assert [write for write in server.journal.writes if write == APP] == [APP, APP]
    assert warnings(server) == [("Warning", "TemplateInvalid")]
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


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://x.example/${tenant.nam}", "users.scim.url: no such member: tenant.nam, did you mean name?"),
        ("https://x.example/${tennant.name}", "users.scim.url: no such variable: tennant, did you mean tenant?"),
        ("https://x.example/${credentials.keyId}", "users.scim.url: credentials can only be used"),
        ("https://x.example/${tenant.name", "users.scim.url: the expression after ${ has no closing brace"),
    ],
)
def test_a_mistake_in_the_address_of_the_scim_service_is_the_apps(url: str, problem: str) -> None:
    scim = {"url": url, "tokenSecretRef": {"name": "scim", "key": "token"}}
    assert compile_app(app(users={"scim": scim})).problem.startswith(problem)


def test_a_valid_address_of_the_scim_service_is_no_problem() -> None:
    scim = {"url": "https://${account.name}.example/${tenant.name}", "tokenSecretRef": {"name": "s", "key": "k"}}
    assert compile_app(app(users={"scim": scim})).problem == ""


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("{{ .Values.name }}", True),
        ("x {{account.name}} y", True),
        ("${{'a': 'b'}.a}", False),
        ("${{'a': {'b': 'c'}}.a.b}", False),
        ("{ {x} }", False),
        ("{{", False),
    ],
)
def test_what_looks_like_another_language_of_templates_is_a_warning(text: str, *, warned: bool) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"list": [1, text]}}
    steps = [{"name": "base", "manifests": [manifest]}]
    view = compile_app(app(tenant={"serviceAccountName": "provisioner", "steps": steps}))
    (ready,) = app_status(view, NOON).conditions
    assert ready.status == "True"
    assert ("warning: steps[base].manifests[0].data.list[1]: {{" in ready.message) is warned


WIDGET = {"apiVersion": "widgets.example/v1", "kind": "Widget", "metadata": {"name": "engine", "namespace": "x"}}


def conditions(**step: Any) -> dict[str, tuple[str, str]]:
    view = compile_app(app(tenant=template({"name": "engine", "manifests": [WIDGET], **step})))
    return {each.type: (each.status, each.reason) for each in app_status(view, NOON).conditions}


def test_a_custom_kind_without_ready_when_is_warned_of_and_the_app_can_be_used() -> None:
    assert conditions() == {"Ready": ("True", "Succeeded"), "ReadinessAssumed": ("True", "ReadyWhenMissing")}


def test_the_warning_ends_when_the_step_says_what_ready_means() -> None:
    assert conditions(readyWhen="has(object.status.url)") == {"Ready": ("True", "Succeeded")}


PLACE = Place("team", "provisioner", "talkdesk-system")
IN_ORDER = AccessReport(PLACE)
MISSING = AccessReport(PLACE, (Right(Party.PROVISIONER, "create", "", "secrets"),))
WAITING = AccessReport(PLACE, absent=("the API server has no kind Widget",))


class Reviews:
    """Says which rights are missing, and how often it was asked."""

    def __init__(self, *answers: AccessReport | Exception) -> None:
        self.answers = list(answers)

    async def review(self, _: CompiledApp) -> AccessReport:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


SOON, LATER = timedelta(seconds=20), timedelta(minutes=10)


def reviewed(*answers: AccessReport | Exception) -> tuple[Callable[[], Awaitable[Any]], list[datetime], Reviews]:
    """Return what writes an app's status and returns what it says of rights, its clock, and what is asked."""
    moment, reviews = [NOON], Reviews(*answers)
    server = ApiServer(app_object())
    apps = CompiledApps(cluster_of(server), lambda: moment[0], access=reviews)

    async def said() -> tuple[Any, ...]:
        again = await apps.write_status(stored(server))
        found = {each.type: each for each in stored(server).status.conditions}
        access = found.get("AccessReady")
        return found["Ready"].reason, f"{access.status}/{access.reason}" if access is not None else None, again

    return said, moment, reviews


@pytest.mark.case(84)
async def test_missing_rights_are_the_reason_why_an_app_is_not_ready_and_are_asked_for_until_they_are_there() -> None:
    said, moment, reviews = reviewed(MISSING, KubeUnreachable("away"), IN_ORDER)
    missing = ("AccessMissing", "False/AccessMissing", SOON)
    assert await said() == missing
    assert await said() == missing  # not asked anew yet
    moment[0] += SOON
    assert await said() == missing  # could not be asked
    for _ in range(2):
        assert await said() == ("Succeeded", "True/Succeeded", LATER)
    assert reviews.answers == []


@pytest.mark.case(84)
async def test_a_right_that_is_taken_away_is_seen_without_a_change_of_the_app() -> None:
    said, moment, _ = reviewed(IN_ORDER, MISSING)
    assert await said() == ("Succeeded", "True/Succeeded", LATER)
    moment[0] += LATER
    assert await said() == ("AccessMissing", "False/AccessMissing", SOON)


@pytest.mark.case(84)
async def test_a_kind_that_the_cluster_does_not_have_yet_is_waited_for() -> None:
    said, moment, _ = reviewed(WAITING, IN_ORDER)
    assert await said() == ("Succeeded", "Unknown/KindMissing", SOON)
    moment[0] += SOON
    assert await said() == ("Succeeded", "True/Succeeded", LATER)


async def test_a_first_look_that_fails_is_taken_again_soon_and_what_was_said_before_stays() -> None:
    said, moment, _ = reviewed(KubeUnreachable("away"), MISSING)
    assert await said() == ("Succeeded", None, SOON)
    moment[0] += SOON
    assert await said() == ("AccessMissing", "False/AccessMissing", SOON)
    server = ApiServer(app_object())
    server.edit("TalkdeskApp", "sentiment", {"status": {"conditions": [ACCESS]}})
    apps = CompiledApps(cluster_of(server), lambda: NOON, access=Reviews(KubeUnreachable("away")))
    await apps.write_status(stored(server))
    assert "AccessReady" in [each.type for each in stored(server).status.conditions]


ACCESS = {
    "type": "AccessReady",
    "status": "False",
    "reason": "AccessMissing",
    "message": "",
    "lastTransitionTime": "2026-03-01T12:00:00Z",
    "observedGeneration": 1,
}


async def test_of_an_app_with_an_invalid_template_nothing_is_said_of_rights() -> None:
    server = ApiServer(app_object(region=None))
    server.edit("TalkdeskApp", "sentiment", {"status": {"conditions": [ACCESS]}})
    await CompiledApps(cluster_of(server), lambda: NOON, access=Reviews()).write_status(stored(server))
    assert [each.type for each in stored(server).status.conditions] == ["Ready"]


def token_secret(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": "scim", "namespace": "team", "annotations": {ANNOTATION_FOR_HOSTS: "scim.example.com"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


def unreleased() -> dict[str, Any]:
    secret = token_secret(token="t")
    return secret | {"metadata": {"name": "scim", "namespace": "team"}}


def warnings(server: ApiServer) -> list[tuple[str, str]]:
    return [(raw["type"], raw["reason"]) for raw in server.all("Event")]


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ([], "there is no Secret scim"),
        ([token_secret(other="t")], "has no token"),
        ([token_secret(token=" \n")], "has no token"),
        ([token_secret(token="a b")], "is no token"),
        ([unreleased()], f"annotate secret scim --overwrite '{ANNOTATION_FOR_HOSTS}=scim.example.com'"),
    ],
    ids=["no Secret", "no key", "empty", "not for a header", "not released"],
)
async def test_a_missing_token_of_the_users_service_is_seen_at_the_app_before_the_first_customer(
    secrets: list[dict[str, Any]], why: str
) -> None:
    moment = [NOON]
    scim = {"scim": {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}}
    server = ApiServer(app_object(users=scim), *secrets)
    apps = CompiledApps(cluster_of(server), lambda: moment[0])
    for _ in range(2):
        assert await apps.write_status(stored(server)) == timedelta(seconds=20)
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason) == ("False", "UsersFailed")
    assert why in ready.message
    assert warnings(server) == [("Warning", "UsersFailed")]
    server.put(token_secret(token="t"))
    moment[0] += timedelta(seconds=20)
    assert await apps.write_status(stored(server)) is None
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason) == ("True", "Succeeded")
    assert warnings(server) == [("Warning", "UsersFailed")]


async def test_an_address_of_the_users_service_without_a_host_is_named_and_no_secret_is_to_be_released_for_it() -> None:
    scim = {"scim": {"url": "scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}}
    server = ApiServer(app_object(users=scim), token_secret(token="t"))
    await CompiledApps(cluster_of(server), lambda: NOON).write_status(stored(server))
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason) == ("False", "UsersFailed")
    assert ready.message.startswith("users.scim.url has no host that can be read")
    assert "annotate" not in ready.message


async def test_a_name_of_tenants_that_no_customer_can_have_is_seen_at_the_app() -> None:
    made = template({"name": "a", "manifests": [config_map("a")]}) | {"name": "Acme & Co"}
    server = ApiServer(app_object(tenant=made))
    await CompiledApps(cluster_of(server), lambda: NOON).write_status(stored(server))
    (ready,) = stored(server).status.conditions
    assert (ready.status, ready.reason) == ("False", "TemplateInvalid")
    assert ready.message.startswith("name: 'Acme & Co' is not a DNS label")


@pytest.mark.parametrize(
    ("url", "hosts", "ready"),
    [
        ("https://app.example.com/logout", "app.example.com", "True/Succeeded"),
        ("https://app.example.com:99999/logout", "app.example.com", "False/LogoutKeyMissing"),
        ("https://evil.example/logout", "app.example.com", "False/LogoutKeyMissing"),
        ("https://app.example.com/logout", None, "False/LogoutKeyMissing"),
    ],
)
async def test_a_key_that_no_logout_can_be_signed_with_is_seen_at_the_app(
    url: str, hosts: str | None, ready: str
) -> None:
    logout = {"url": url, "secretRef": {"name": "scim", "key": "token"}}
    secret = token_secret(token="t")
    secret["metadata"]["annotations"] = {} if hosts is None else {ANNOTATION_FOR_HOSTS: hosts}
    server = ApiServer(app_object(logout=logout), secret)
    await CompiledApps(cluster_of(server), lambda: NOON).write_status(stored(server))
    (condition,) = stored(server).status.conditions
    assert f"{condition.status}/{condition.reason}" == ready


async def test_a_missing_key_of_logouts_is_seen_at_the_app() -> None:
    logout = {"url": "https://app.example.com", "secretRef": {"name": "single-logout", "key": "key"}}
    server = ApiServer(app_object(logout=logout))
    await CompiledApps(cluster_of(server), lambda: NOON).write_status(stored(server))
    (condition,) = stored(server).status.conditions
    assert (condition.reason, "there is no Secret single-logout" in condition.message) == ("LogoutKeyMissing", True)


@pytest.mark.parametrize(
    ("endpoint", "ready"),
    [
        (endpoint_object(), "True/Succeeded"),
        (endpoint_object(secretRef={"name": "nobody", "key": "key"}), "False/NotificationKeyMissing"),
        (endpoint_object(secretRef={"name": "keys", "key": "nobody"}), "False/NotificationKeyMissing"),
        (endpoint_object(url="https://evil.example/events"), "False/NotificationKeyMissing"),
        (endpoint_object(url="https://a.example.com:99999/"), "False/InvalidSpec"),
        (endpoint_object(filter="nobody.knows"), "False/InvalidSpec"),
        (endpoint_object(clientCertificateRef={"name": "nobody"}), "False/NotificationKeyMissing"),
    ],
)
async def test_what_keeps_an_endpoint_from_being_told_is_seen_at_the_app_and_keeps_nobody_from_being_set_up(
    endpoint: dict[str, Any], ready: str
) -> None:
    server = ApiServer(app_object(notifications=[endpoint_object("first"), endpoint]), keys_secret())
    apps = CompiledApps(cluster_of(server), lambda: NOON)
    await apps.write_status(stored(server))
    (condition,) = stored(server).status.conditions
    assert f"{condition.status}/{condition.reason}" == ready
    assert ready.startswith("True") or condition.message.startswith("notifications default: ")
    view = apps.view(stored(server))
    assert (view.problem, view.template is not None, len(view.endpoints)) == ("", True, 2)


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_app_can_allow_plain_http_only_where_the_operator_does(*, allowed: bool) -> None:
    own = {"api": "http://127.0.0.1:9", "token": "http://127.0.0.1:9/{account}/token", "allowInsecure": True}
    view = CompiledApps(cluster_of(ApiServer()), lambda: NOON, allow_insecure=allowed).view(
        app(region=None, endpoints=own)
    )
    assert (view.hosts is not None, view.problem == "", view.allow_insecure or "--allow-insecure" in view.problem) == (
        allowed,
        allowed,
        True,
    )


async def test_a_new_reason_why_an_app_cannot_be_used_is_a_warning_event_and_no_repetition_is() -> None:
    moment, server = [NOON], ApiServer(app_object())
    apps = CompiledApps(cluster_of(server, lambda: moment[0]), lambda: moment[0])
    for spec in ({"region": None}, {"region": "US"}, {"region": None}, {"paused": True}):
        server.edit("TalkdeskApp", "sentiment", {"spec": spec})
        moment[0] += timedelta(minutes=1)
        await apps.write_status(stored(server))
    assert warnings(server) == [("Warning", "TemplateInvalid")] * 2


@pytest.mark.case(90)
@pytest.mark.parametrize(
    ("finalizers", "reason"), [([APP_FINALIZER], "AccessMissing"), (["example.com/other"], "Succeeded")]
)
async def test_a_deleted_app_that_waits_for_its_customers_says_which_of_their_rights_are_gone(
    finalizers: list[str], reason: str
) -> None:
    meta = {"finalizers": finalizers, "deletionTimestamp": "2026-03-01T12:00:00Z"}
    server = ApiServer(app_object(meta=meta))
    apps = CompiledApps(cluster_of(server), lambda: NOON, access=Reviews(MISSING))
    await apps.write_status(stored(server))
    ready = stored(server).status.conditions[0]
    assert ready.reason == reason
