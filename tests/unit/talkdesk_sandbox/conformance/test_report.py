"""Results as JSON and JUnit."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from talkdesk_runtime.standard_webhooks import WebhookSecrets
from talkdesk_sandbox.conformance import CHECKS, Outcome, Result, report
from talkdesk_sandbox.conformance.messages import Answer, Exchange, Request

KEYS = WebhookSecrets.read("first key\nsecond key")
URL = "https://control.example.com/v1/tenants"


def exchange(body: bytes = b'{"state": "Active"}', answer: Answer | None = None) -> Exchange:
    signed = KEYS.headers("k1", datetime(2026, 5, 1, tzinfo=UTC), body)
    return Exchange(Request("PUT", "acme", "k1", body), "/v1/tenants/acme", signed, answer, "no answer within 30 s")


RESULTS = [
    Result(CHECKS[0], Outcome.PASS),
    Result(CHECKS[1], Outcome.FAIL, 'answered "<500>" & \x00', (exchange().shown(),), ("acme-repeat",)),
    Result(CHECKS[2], Outcome.SKIP, "optional"),
]


def test_json_has_all_results_and_the_requests_that_show_failures() -> None:
    content = json.loads(report.as_json(URL, RESULTS))

    assert (content["url"], content["passed"], content["failed"], content["skipped"]) == (URL, 1, 1, 1)
    assert content["leftBehind"] == ["acme-repeat"]
    assert [each["outcome"] for each in content["checks"]] == ["PASS", "FAIL", "SKIP"]
    assert set(content["checks"][0]) == {"name", "source", "rule", "outcome", "reason", "requests", "leftBehind"}
    request = content["checks"][1]["requests"][0]
    assert (request["method"], request["path"], request["body"]) == ("PUT", "/v1/tenants/acme", {"state": "Active"})
    assert request["answer"] == {"problem": "no answer within 30 s"}


def test_junit_has_a_case_for_each_check() -> None:
    suites = ET.fromstring(report.as_junit(URL, RESULTS))  # noqa: S314  (our own)

    suite = suites[0]
    assert (suites.tag, suite.tag) == ("testsuites", "testsuite")
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    assert [case.attrib["name"] for case in suite] == [check.name for check in CHECKS[:3]]
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"]]
    failure = suite[1][0]
    assert failure.attrib["message"] == 'answered "<500>" & ?'
    assert "PUT /v1/tenants/acme" in (failure.text or "")


@pytest.mark.parametrize("form", [report.as_json, report.as_junit])
def test_no_signature_is_shown(form: object) -> None:
    assert callable(form)
    signature = exchange().headers["webhook-signature"].split()[0].removeprefix("v1,")

    text = form(URL, RESULTS)

    assert signature not in text
    assert "v1,*** v1,***" in text


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", None),
        (b"no JSON", "no JSON"),
        (b"\xff", "�"),
        (b'"' + b"x" * 5000 + b'"', '"' + "x" * 1999 + "… (5002 bytes)"),
    ],
)
def test_a_body_is_shown_as_it_is_and_shortened(body: bytes, shown: object) -> None:
    assert exchange(body).shown()["body"] == shown


def test_an_answer_is_shown_without_its_secrets() -> None:
    content = {"outputs": {"endpoint": "e"}, "secrets": {"password": "hunter2"}}

    shown = exchange(answer=Answer(200, {}, content)).shown()["answer"]

    assert shown == {"status": 200, "body": {"outputs": {"endpoint": "e"}, "secrets": {"password": "***"}}}


def test_an_answer_that_is_no_object_is_not_shown_because_it_could_hold_anything() -> None:
    assert exchange(answer=Answer(500, {}, None)).shown()["answer"] == {"status": 500, "body": "no JSON object"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0.0), ("7", 7.0), ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0), (None, None)]
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert Answer(202, {} if text is None else {"retry-after": text}, {}).retry_after == seconds


@pytest.mark.parametrize("text", ["soon", "", "1.5", "-1"])
def test_another_retry_after_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        _ = Answer(202, {"retry-after": text}, {}).retry_after
