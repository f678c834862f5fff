"""Who is rejected with `onTenantFailure: Reject`: a customer whose own facts can't be used, and nobody else, ever."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import HOUR
from builders.operator_in_memory import (
    NAMESPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.installation import Decision
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime import kube_errors
from talkdesk_runtime.kube_errors import KubeError, KubeInvalid, from_status

BASE = {"name": "base", "manifests": [NAMESPACE, config_map("account", data={"company": "${account.companyName}"})]}
REJECT = {"approval": {"onTenantFailure": "Reject"}}
BY_VALUES = KubeInvalid("invalid", ("data",), by_values=True)


def operator(step: Mapping[str, Any] = BASE) -> OperatorInMemory:
    return OperatorInMemory(sentiment(step, **REJECT), installed(), credentials_secret())


def errors() -> Iterator[KubeError]:
    """Every error there is, and a refusal of values where no value is at fault."""
    trees: list[type[KubeError]] = [KubeError]
    for error in trees:
        trees.extend(error.__subclasses__())
        yield error("what the API server said")
    yield BY_VALUES
    yield from_status(404, {"message": 'admission webhook "w" denied the request: x'})


async def over_time(at: OperatorInMemory) -> None:
    """Try again and again, until the deadline and for a while afterwards."""
    for _ in range(6):
        await at.converge(Cause.RETRY)
        at.now += 30 * HOUR


def decisions(at: OperatorInMemory) -> list[Decision]:
    return [decision for _, decision, _ in at.answers]


def lines_of_an_install() -> list[str]:
    return ["GET .*", "APPLY .*", "APPLY namespaces/.*", "APPLY configmaps/.*", "POST talkdesktenants.*", "LIST .*"]


def test_the_walk_covers_every_error_there_is() -> None:
    classes = {getattr(kube_errors, name) for name in kube_errors.__all__ if name.startswith("Kube")}
    assert classes <= {type(error) for error in errors()}


@pytest.mark.case(70)
@pytest.mark.parametrize("line", lines_of_an_install())
@pytest.mark.parametrize("error", list(errors()), ids=lambda error: f"{type(error).__name__} {error}")
async def test_no_error_of_the_cluster_rejects_a_customer_at_any_request_for_however_long(
    error: KubeError, line: str
) -> None:
    at = operator()
    at.journal.fail(line, error, count=1000)
    # Every object is refused, a typical customer's in a dry run with them.
    at.journal.fail("DRY-RUN .*", error, count=1000)
    with suppress(KubeError):
        await over_time(at)
    assert Decision.REJECT not in decisions(at)


def _invalid(body: Mapping[str, Any]) -> KubeError:
    message = f'ConfigMap "{body["metadata"]["name"]}" is invalid: data: Invalid value'
    causes = [{"field": "data", "reason": "FieldValueInvalid"}]
    return from_status(422, {"message": message, "reason": "Invalid", "details": {"causes": causes}})


Judge = Callable[[Mapping[str, Any]], KubeError | None]


def refuses(judge: Callable[[Mapping[str, Any]], bool]) -> Judge:
    return lambda body: _invalid(body) if body["kind"] == "ConfigMap" and judge(body) else None


@pytest.mark.case(53, 70)
async def test_a_value_of_the_customers_that_the_schema_refuses_rejects() -> None:
    at = operator()
    at.server.validate = refuses(lambda body: "&" in body["data"]["company"])
    at.talkdesk.company = "Acme & Sons"
    await at.converge()
    assert decisions(at) == [Decision.REJECT]
    assert [line for line in at.journal.lines if line.startswith("DRY-RUN")] == ["DRY-RUN configmaps/td-acc1/account"]


@pytest.mark.case(53, 70)
@pytest.mark.parametrize("times", [1, 3])
async def test_a_value_that_the_schema_refuses_of_anybody_rejects_nobody(times: int) -> None:
    at = operator()
    at.server.validate = refuses(lambda _: True)
    for _ in range(times):
        await at.converge(Cause.RETRY)
        at.now += timedelta(minutes=10)
    assert decisions(at) == []
    assert at.reason() == "False/ApplyRefused"
    at.server.validate = refuses(lambda _: False)
    await at.converge(Cause.RETRY)
    assert decisions(at) == [Decision.APPROVE]


@pytest.mark.case(70)
async def test_an_object_that_was_applied_before_is_no_proof_against_its_customer() -> None:
    at = operator()
    await at.converge()
    at.talkdesk.company = "Acme & Sons"
    at.server.validate = refuses(lambda body: "&" in body["data"]["company"])
    at.talkdesk.becomes("updating")
    at.asks("Update", event="e2")
    await at.converge()
    assert decisions(at) == [Decision.APPROVE]


@pytest.mark.case(70)
async def test_without_the_policy_no_proof_is_asked_for() -> None:
    at = OperatorInMemory(sentiment(BASE), installed(), credentials_secret())
    at.server.validate = refuses(lambda _: True)
    await at.converge()
    assert not [line for line in at.journal.lines if line.startswith("DRY-RUN")]


def leaf(value: str) -> dict[str, Any]:
    return {"name": "base", "manifests": [NAMESPACE, config_map("account", data={"company": value})]}


@pytest.mark.case(54, 70)
@pytest.mark.parametrize(
    ("value", "company", "expected"),
    [
        ("${string(10 / (size(account.companyName) - 9))}", "Nine Inc.", [Decision.REJECT]),
        ("${account.companyName + 1}", "Acme", []),
        ("${account.company}", "Acme", []),
        ("${tenant.values.plan}", "Acme", []),
    ],
)
async def test_a_template_that_fails_with_a_customers_facts_rejects_unless_it_fails_for_anybody(
    value: str, company: str, expected: list[Decision]
) -> None:
    at = operator(leaf(value))
    at.talkdesk.company = company
    await at.converge()
    assert decisions(at) == expected
