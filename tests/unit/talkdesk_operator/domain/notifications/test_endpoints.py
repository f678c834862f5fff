"""Whether an endpoint is told: in doubt it is."""

from typing import Any

import pytest

from builders.objects import NOON, app, endpoint_object
from talkdesk_crds.app_notifications import NotificationType
from talkdesk_operator.domain.notifications.endpoints import compile_endpoint, is_told, refusal
from talkdesk_operator.domain.notifications.happenings import Happening
from talkdesk_operator.domain.reconcile.scope import CompiledEndpoint
from talkdesk_operator.templates.limits import MAX_PASS_SECONDS, Spent

FACTS: dict[str, Any] = {
    "account": {"id": "a", "name": "acme", "companyName": None},
    "subscription": {"type": "trial"},
    "trial": {},
    "installation": {"id": "i"},
    "app": {"region": "US"},
}


def compiled(*, insecure: bool = False, **more: Any) -> CompiledEndpoint:
    (endpoint,) = app(notifications=[endpoint_object(**more)]).spec.notifications
    return compile_endpoint(endpoint, allow_insecure=insecure)


def told(
    endpoint: CompiledEndpoint, kind: NotificationType = NotificationType.APPROVED, spent: Spent | None = None
) -> bool:
    event = Happening(kind, "e1", NOON, "e1", "Install")
    return is_told(endpoint, event, "Succeeded", "Active", lambda: FACTS, spent)


def test_without_events_and_filter_everything_is_told() -> None:
    assert all(told(compiled(), kind) for kind in NotificationType)


def test_with_events_these_are_told() -> None:
    endpoint = compiled(events=["Approved", "Stuck"])
    assert [kind.value for kind in NotificationType if told(endpoint, kind)] == ["Approved", "Stuck"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("event.type == 'Approved'", True),
        ("event.type == 'Rejected'", False),
        ("event.requestType == 'Install' && event.phase == 'Active' && event.reason == 'Succeeded'", True),
        ("account.name == 'acme' && subscription.type != 'trial'", False),
        ("app.region == 'US' && !has(account.companyName)", True),
        ("account.companyName.startsWith('A')", True),  # can't be evaluated: in doubt
        ("account.name", True),  # neither true nor false: in doubt
    ],
)
def test_a_filter_decides_where_it_can(expression: str, *, expected: bool) -> None:
    endpoint = compiled(filter=expression)
    assert endpoint.problem == ""
    assert told(endpoint) is expected


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("event.typ == 'Approved'", "did you mean type"),
        ("acount.name == 'a'", "did you mean account"),
        ("credentials.clientId == 'a'", "no such variable: credentials"),
        ("tenant.name == 'a'", "no such variable: tenant"),
        ("event.type ==", "filter"),
    ],
)
def test_a_filter_that_can_not_be_used_is_a_problem_and_everything_is_told(expression: str, said: str) -> None:
    endpoint = compiled(filter=expression)
    assert endpoint.problem.startswith("notifications default: filter")
    assert said in endpoint.problem
    assert told(endpoint)


@pytest.mark.parametrize(
    ("url", "allowed", "insecure", "refused"),
    [
        ("https://a.example.com", False, False, False),
        ("http://a.example.com", True, False, True),
        ("http://a.example.com", False, True, True),
        ("http://a.example.com", True, True, False),
        ("https://made:up@a.example.com", True, True, True),
        ("https://[::1]:8443/x", False, False, False),
        ("https://[::::]/made", True, True, True),
        ("https://made\u2100.example.com/", True, True, True),
    ],
)
def test_plain_http_needs_two_words_and_no_url_holds_a_password(
    url: str, *, allowed: bool, insecure: bool, refused: bool
) -> None:
    (endpoint,) = app(notifications=[endpoint_object(url=url, allowInsecure=allowed)]).spec.notifications
    said = refusal(endpoint, allow_insecure=insecure)
    assert (said != "") is refused
    assert "made" not in said
    assert (compile_endpoint(endpoint, allow_insecure=insecure).problem != "") is refused


def test_a_bundle_without_certificates_is_a_problem() -> None:
    assert compiled(caBundle="nonsense").problem == "notifications default: caBundle holds no certificates in PEM"


def test_the_time_for_all_filters_together_is_bounded() -> None:
    endpoint, spent = compiled(filter="account.name == 'other'"), Spent()
    assert not told(endpoint, spent=spent)
    spent.seconds = MAX_PASS_SECONDS + 0.01
    assert told(endpoint, spent=spent), "in doubt"


def test_a_filter_that_comes_to_no_result_counts_too() -> None:
    endpoint, spent = compiled(filter="account.name.matches('(((a{1,90}){1,90}){1,9})')"), Spent()
    assert told(endpoint, spent=spent)
    assert spent.seconds > 0
