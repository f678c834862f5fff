"""The reference service passes all checks, and for each check there is a fault that it alone finds."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders.hook_service import SlowPartner, faulty, results_of, serving
from builders.tls_pair import tls_pair
from talkdesk_sandbox.conformance import CHECKS, Outcome, Result
from talkdesk_sandbox.conformance.run import Unreachable

ASYNCHRONOUS = {"seconds": 0.02}


@dataclass(frozen=True)
class Fault:
    """One changed place of the reference service."""

    check: str
    """The only check that fails."""
    file: str
    old: str
    new: str
    slow: dict[str, float] = field(default_factory=dict)
    """Seconds that work takes for the tenants of a check."""
    how: dict[str, Any] = field(default_factory=dict)


FAULTS = [
    Fault("provision", "service.py", '{"outputs": made.outputs, "sec', '{"outputs": [made.outputs], "sec'),
    Fault(
        "repeat",
        "service.py",
        "return Answer(known.status, known.content)",
        'return Answer(known.status, {"outputs": known.content.get("outputs")})',
    ),
    Fault(
        "lost-answer",
        "application.py",
        "return _response(await run_in_threadpool(service.change, wanted))",
        """
        answer = await run_in_threadpool(service.change, wanted)
        if await request.is_disconnected():
            from talkdesk_sandbox.hook.records import Answered
            with service._records.transaction() as session:
                session.delete(session.get_one(Answered, wanted.key))
                service._begin(session, wanted)
        return _response(answer)
        """,
        slow={"lost-answer": 0.02},
    ),
    Fault(
        "put-again",
        "service.py",
        "    if change.generation < found.generation:",
        """
    if change.body == found.body:
        return Answer(400, {"description": "it exists"})
    if change.generation < found.generation:""",
    ),
    Fault(
        "update",
        "service.py",
        "    if change.generation < found.generation:",
        """
    if change.method == "PUT" and change.body["tenant"]["values"] != found.body["tenant"]["values"]:
        return Answer(400, {"description": "it exists, and is different"})
    if change.generation < found.generation:""",
    ),
    Fault(
        "suspend-resume",
        "partner.py",
        "        # YOUR CODE: make or change",
        """
        if wanted["state"] == "Suspended":
            return Made()
        # YOUR CODE: make or change""",
    ),
    Fault(
        "offboard-return",
        "partner.py",
        "        # YOUR CODE: make or change",
        """
        if had is not None and "password" not in had.secrets:
            return Made()
        if wanted["state"] == "Offboarded":
            return Made({"left": True})
        # YOUR CODE: make or change""",
    ),
    Fault("long-name", "application.py", "MAX_NAME: Final = 63", "MAX_NAME: Final = 62"),
    Fault("operation", "service.py", '{"operation": change.key}', '{"operation": 7}', how=ASYNCHRONOUS),
    Fault(
        "poll-again",
        "application.py",
        'return _response(await run_in_threadpool(service.last_operation, request.path_params["tenant"]))',
        """
        answer = await run_in_threadpool(service.last_operation, request.path_params["tenant"])
        told, operation = service.__dict__.setdefault("told", set()), request.query_params.get("operation")
        if operation in told:
            return _response(Answer(410))
        if answer.content.get("state") == "succeeded":
            told.add(operation)
        return _response(answer)
        """,
        how=ASYNCHRONOUS,
    ),
    Fault(
        "operation-repeat",
        "service.py",
        "return Answer(known.status, known.content)",
        'return Answer(known.status, {**known.content, "operation": "another"})',
        how=ASYNCHRONOUS,
    ),
    Fault(
        "retry-after",
        "application.py",
        'headers = {"Retry-After": str(answer.wait)} if answer.wait > 0 else None',
        'headers = {"Retry-After": "soon"} if answer.status == 202 else None',
        how=ASYNCHRONOUS,
    ),
    Fault(
        "delete-unknown",
        "service.py",
        'return Answer(410, {"description": "there is no such tenant"}) if change.method',
        'return Answer(500, {"description": "there is no such tenant"}) if change.method',
    ),
    Fault("delete", "records.py", "session.execute(delete(Tenant).where(Tenant.id == tenant))", "pass"),
    Fault(
        "delete-twice",
        "service.py",
        "return Answer(known.status, known.content)",
        'return Answer(500 if known.method == "DELETE" else known.status, known.content)',
    ),
    Fault(
        "delete-first",
        "service.py",
        "    if found is None:\n        return",
        """
    unknown = _refusal.__dict__.setdefault("unknown", set())
    if found is None and change.method == "DELETE":
        unknown.add(change.tenant)
    elif change.tenant in unknown:
        return Answer(400, {"description": "it was deleted"})
    if found is None:
        return""",
    ),
    Fault(
        "made-anew",
        "service.py",
        "            refused = _refusal(session.get(Tenant, change.tenant), change)",
        """
            refused = _refusal(session.get(Tenant, change.tenant), change)
            deleted = session.query(Answered).filter_by(tenant=change.tenant, method="DELETE").all()
            if change.method == "PUT" and deleted:
                refused = Answer(400, {"description": "it was deleted"})""",
    ),
    Fault(
        "late-repeat",
        "records.py",
        "session.execute(answers.values(status=422, content=gone))",
        'session.execute(delete(Answered).where(Answered.tenant == tenant, Answered.method == "PUT"))',
    ),
    Fault(
        "orphan",
        "service.py",
        "            if running is not None and running.problem is None:",
        """
            first = session.get(Tenant, change.tenant) is None
            if running is not None and running.problem is None and not (first and change.method == "DELETE"):""",
        slow={"orphan": 0.3},
        how={"pause": 0.3},
    ),
    Fault(
        "unknown-operation",
        "service.py",
        'return Answer(410, {"description": "there is no such tenant"})\n            return',
        'return Answer(200, {"state": "succeeded"})\n            return',
    ),
    Fault(
        "concurrent-same",
        "service.py",
        "if running is not None and running.problem is None:",
        "if running is not None and running.problem is None and running.key != change.key:",
        slow={"concurrent-same": 0.1},
    ),
    Fault(
        "concurrent-other",
        "service.py",
        "return Answer(409, _BUSY, wait=1)",
        "return Answer(409 if running.key == change.key else 500, _BUSY)",
        slow={"concurrent": 0.1},
    ),
    Fault(
        "slow-request",
        "application.py",
        "        read += piece\n",
        """
        if piece and read:
            raise _Refused(408, "this takes too long")
        read += piece
""",
    ),
    Fault(
        "cut-request",
        "application.py",
        "raw = await _body(request)",
        """
        try:
            raw = await _body(request)
        except ClientDisconnect:
            half = Change("PUT", request.path_params["tenant"], "half", {"state": "Active"}, b"")
            await run_in_threadpool(service.change, half)
            raise
        """,
    ),
    Fault("bad-signature", "verification.py", "    if not any(", "    if not given and not any("),
    Fault("no-signature", "verification.py", 'raise NotSigned("there is no webhook-signature")', "return"),
    Fault("old-timestamp", "verification.py", "int(timestamp) < now - TOLERANCE", "int(timestamp) < 0"),
    Fault("future-timestamp", "verification.py", "if int(timestamp) > now + TOLERANCE", "if not timestamp"),
    Fault("key-change", "verification.py", "for one in given for", "for one in given[:1] for"),
    Fault(
        "other-method",
        "application.py",
        '({"Deleted"} if request.method == "DELETE" else STATES)',
        '(STATES | {"Deleted"})',
    ),
    Fault("other-path", "application.py", 'named.get("id") != tenant', 'named.get("id") is None'),
    Fault("huge-body", "application.py", "MAX_BODY: Final = 1_048_576", "MAX_BODY: Final = 100_000_000"),
    Fault(
        "not-json", "application.py", '_Refused(400, "the body is not JSON")', '_Refused(500, "the body is not JSON")'
    ),
    Fault(
        "unknown-members",
        "application.py",
        '    named = body.get("tenant")',
        """
    if set(body) - {"tenant", "state", "generation", "account", "installation", "subscription", "trial"}:
        raise _Refused(400, "there is a member that is not known")
    named = body.get("tenant")""",
    ),
]


def of(results: list[Result], outcome: Outcome) -> dict[str, str]:
    return {result.check.name: result.reason for result in results if result.outcome is outcome}


async def test_the_reference_service_passes_all_checks(tmp_path: Path) -> None:
    async with serving(tmp_path / "hook.db", partner=SlowPartner({"concurrent": 0.1, "orphan": 0.1})) as url:
        results = await results_of(url)

    assert of(results, Outcome.FAIL) == {}
    assert set(of(results, Outcome.SKIP)) == {"operation", "poll-again", "operation-repeat", "retry-after"}
    assert not any(result.left for result in results)


async def test_the_reference_service_passes_all_checks_when_operations_take_time(tmp_path: Path) -> None:
    async with serving(tmp_path / "hook.db", seconds=0.05) as url:
        results = await results_of(url)

    assert of(results, Outcome.FAIL) == {}
    assert set(of(results, Outcome.SKIP)) == {"retry-after"}
    assert not any(result.left for result in results)


async def test_the_reference_service_says_when_to_ask_again(tmp_path: Path) -> None:
    chosen = [check for check in CHECKS if check.name == "retry-after"]
    async with serving(tmp_path / "hook.db", seconds=1.0) as url:
        results = await results_of(url, chosen, operation_timeout=10.0)

    assert of(results, Outcome.PASS) == {"retry-after": ""}


async def test_the_checks_go_by_tls_too(tmp_path: Path) -> None:
    made = tls_pair("service")
    (tmp_path / "tls.crt").write_bytes(made.certificate)
    (tmp_path / "tls.key").write_bytes(made.key)
    trusted = ssl.create_default_context(cafile=tmp_path / "tls.crt")
    chosen = [check for check in CHECKS if check.name in {"provision", "lost-answer", "cut-request", "huge-body"}]

    async with serving(tmp_path / "hook.db", tls=tmp_path) as url:
        results = await results_of(url, chosen, tls=trusted)
        with pytest.raises(Unreachable, match="certificate"):
            await results_of(url, chosen)

    assert {result.outcome for result in results} == {Outcome.PASS}


def test_each_check_has_a_fault_that_it_is_meant_for() -> None:
    assert sorted(fault.check for fault in FAULTS) == sorted(check.name for check in CHECKS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.check)
async def test_a_fault_is_found_by_the_check_that_is_meant_for_it_alone(fault: Fault, tmp_path: Path) -> None:
    how = dict(fault.how)
    with faulty(tmp_path, fault.file, fault.old, fault.new) as package:
        partner = None
        if fault.slow:
            partner = SlowPartner(fault.slow)
        seconds = how.pop("seconds", None)
        async with serving(tmp_path / "hook.db", package=package, partner=partner, seconds=seconds) as url:
            results = await results_of(url, **how)

    assert set(of(results, Outcome.FAIL)) == {fault.check}
    shown = next(result for result in results if result.outcome is Outcome.FAIL)
    assert shown.requests
