"""The verdict: a person's word, the app's rules, approval; and how it is waited for."""

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders.objects import (
    DAY,
    EVENT,
    HOUR,
    NOON,
    WEEK,
    credentials,
    decided,
    facts,
    failure,
    installation,
    remote,
    request_object,
    scope,
    trial_object,
    view,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, InstallationPhase, RequestType
from talkdesk_operator.domain.installation.approval import RULE_VARIABLES, Verdict, is_installed, judge, rejection_for
from talkdesk_operator.domain.reconcile.scope import (
    CompiledApp,
    FaultOwner,
    RemoteMissing,
    RetryClass,
    Scope,
    TenantOutcome,
    TenantResult,
)
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.templates import cel
from talkdesk_operator.templates.evaluator import Evaluator

APPROVED = Verdict(Decision.APPROVE)
LIMIT = NOON + WEEK


def rules(*expressions: str) -> list[dict[str, str]]:
    return [{"expression": e, "reason": f"no. {n}"} for n, e in enumerate(expressions, 1)]


def app(**approval: Any) -> CompiledApp:
    return view(approval=approval)


def asked(**fields: Any) -> Scope:
    """A scope in which everything is read and Talkdesk waits for the answer."""
    known = {"credentials": credentials(), "remote": remote(), "facts": facts()}
    return scope(**(known | fields))


def verdict(at: Scope) -> Verdict:
    judged = judge(at)
    assert isinstance(judged, Verdict), judged
    return judged


def held(at: Scope) -> Finish:
    judged = judge(at)
    assert isinstance(judged, Finish), judged
    return judged


def test_without_rules_everything_is_approved() -> None:
    assert judge(asked()) == APPROVED
    assert judge(asked(installation=installation(request=RequestType.UPDATE))) == APPROVED


@pytest.mark.parametrize(
    ("expression", "rejects"),
    [
        ("true", True),
        ("false", False),
        ("account.name == 'acme'", True),
        ("account.id == 'acc-1' && app.region == 'US'", True),
        ("installation.id == 'i2'", False),
        ("subscription.name == 'Gold'", True),
        ("trial.state == 'Started'", True),
        ("request.type == 'Install' && request.appVersion == '1.4'", True),
        ("request.changes != null", False),
    ],
)
def test_a_rule_sees_the_facts_and_the_request(expression: str, rejects: bool) -> None:  # noqa: FBT001 - a table
    made = installation(request=request_object(appVersion="1.4"), trial=trial_object("Started"))
    rejection = Verdict(Decision.REJECT, "no. 1", Reason.POLICY_REJECTED)
    assert judge(asked(installation=made, app=app(rejectWhen=rules(expression)))) == (
        rejection if rejects else APPROVED
    )


def test_a_rule_sees_what_an_update_changes() -> None:
    update = installation(request=request_object("Update", changes="plan"))
    ruled = app(rejectWhen=rules("request.type == 'Update' && request.changes == 'plan'"))
    assert verdict(asked(installation=update, app=ruled)).decision is Decision.REJECT


def test_the_first_rule_that_is_true_counts() -> None:
    assert verdict(asked(app=app(rejectWhen=rules("false", "true", "true")))).explanation == "no. 2"


def test_a_rule_that_rejects_leaves_nothing_for_a_person_to_decide() -> None:
    ruled = app(mode="Manual", rejectWhen=rules("true"))
    assert verdict(asked(app=ruled)).reason is Reason.POLICY_REJECTED


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("mode", ["Auto", "Manual"])
def test_a_persons_decision_wins_over_the_rules(decision: Decision, mode: str) -> None:
    made = installation(approval=decided(decision.value, reason="as agreed"))
    ruled = app(mode=mode, rejectWhen=rules("true", "1"))
    assert judge(asked(installation=made, app=ruled)) == Verdict(decision, "as agreed", Reason.REJECTED)


def test_a_person_need_not_give_a_reason() -> None:
    assert verdict(asked(installation=installation(approval=decided()))).explanation == ""


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("account.name", "true or false"),
        ("account.name == 'acme' ? 1 : 0", "true or false"),
        ("account.size > 3", "no such key: account.size"),
        ("subscription.licenses > 3", "types do not fit"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_stalls_the_request_and_is_named_in_the_message(
    expression: str, why: str
) -> None:
    waiting = held(asked(app=app(rejectWhen=rules(expression, "true"))))
    assert (waiting.phase, waiting.reason) == (InstallationPhase.PENDING, Reason.POLICY_FAILED)
    assert (waiting.stalled, waiting.requeue_at) == (True, LIMIT)
    assert expression in waiting.message
    assert why in waiting.message


@pytest.mark.case(61)
def test_a_rule_that_a_busy_machine_kept_from_its_evaluation_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Evaluator((sys.executable, "-c", "import time; time.sleep(10)"), patience=0.1)
    monkeypatch.setattr(cel, "EVALUATOR", busy)
    waiting = held(asked(app=app(rejectWhen=rules("account.name.matches('x')"))))
    assert "machine is too busy" in waiting.message
    assert (waiting.stalled, waiting.requeue_at) == (False, NOON + timedelta(minutes=1))


def test_the_value_of_a_rule_is_not_in_the_message() -> None:
    named = asked(facts=facts(name="made-up-secret"), app=app(rejectWhen=rules("account.name")))
    assert "made-up-secret" not in held(named).message


def test_rules_that_do_not_compile_stall_every_request() -> None:
    broken = replace(app(rejectWhen=rules("true")), reject_rules=(), problem="approval.rejectWhen 'tru(': syntax")
    waiting = held(asked(app=broken))
    assert (waiting.reason, waiting.stalled) == (Reason.POLICY_FAILED, True)
    assert broken.problem in waiting.message
    made = installation(approval=decided("Approve"))
    assert verdict(asked(app=broken, installation=made)).decision is Decision.APPROVE


def test_rules_see_neither_the_tenant_nor_credentials() -> None:
    assert not {"tenant", "credentials", "sso"} & RULE_VARIABLES


@pytest.mark.case(34)
def test_a_manual_approval_waits_for_a_person_and_checks_again_at_the_deadline() -> None:
    waiting = held(asked(app=app(mode="Manual")))
    assert (waiting.phase, waiting.reason) == (InstallationPhase.AWAITING_DECISION, Reason.AWAITING_DECISION)
    assert (waiting.terminal, waiting.ready, waiting.requeue_at) == (True, False, LIMIT)
    assert EVENT in waiting.message
    assert held(asked(app=app(mode="Manual"), now=LIMIT)).requeue_at == LIMIT + timedelta(minutes=10)


@pytest.mark.case(34)
@pytest.mark.parametrize("decision", Decision)
def test_a_decision_for_another_event_is_ignored_and_reported(decision: Decision) -> None:
    made = installation(approval=decided(decision.value, event="event-0"))
    waiting = held(asked(installation=made, app=app(mode="Manual")))
    assert waiting.reason is Reason.DECISION_MISMATCH
    assert "event-0" in waiting.message
    assert EVENT in waiting.message
    assert judge(asked(installation=made)) == APPROVED


@pytest.mark.case(34)
@pytest.mark.parametrize("decision", Decision)
def test_without_a_persons_decision_the_automatic_one_applies_before_the_deadline(decision: Decision) -> None:
    at = asked(app=app(mode="Manual", automatic={"decision": decision.value, "beforeDeadline": "2h"}))
    assert held(at).requeue_at == LIMIT - 2 * HOUR
    assert held(replace(at, now=LIMIT - 2 * HOUR - timedelta(seconds=1))).requeue_at == LIMIT - 2 * HOUR
    late = verdict(replace(at, now=LIMIT - 2 * HOUR))
    assert (late.decision, late.reason) == (decision, Reason.POLICY_REJECTED)
    assert "nobody decided" in late.explanation


@pytest.mark.case(34)
def test_an_automatic_decision_may_come_at_once_and_a_persons_decision_wins_over_it() -> None:
    automatic = {"decision": "Reject", "beforeDeadline": "999999d"}
    at = asked(app=app(mode="Manual", automatic=automatic), installation=installation(at=NOON - DAY))
    assert verdict(at).decision is Decision.REJECT
    approved = installation(at=NOON - DAY, approval=decided("Approve"))
    assert verdict(replace(at, installation=approved)).decision is Decision.APPROVE


@pytest.mark.case(31)
@pytest.mark.parametrize("word", ["completed", "suspended"])
def test_an_install_that_talkdesk_shows_as_approved_is_no_longer_rejected(word: str) -> None:
    ruled = app(mode="Manual", rejectWhen=rules("true"), onTenantFailure="Reject")
    at = asked(remote=remote(word), installation=installation(approval=decided()), app=ruled)
    assert is_installed(at)
    assert judge(at) == APPROVED
    assert rejection_for(at, BROKEN) is None
    update = installation(request=RequestType.UPDATE)
    assert verdict(replace(at, installation=update)).decision is Decision.REJECT
    assert rejection_for(replace(at, installation=update), BROKEN) is not None


@pytest.mark.parametrize("seen", [remote("installing"), remote("martian"), RemoteMissing("gone"), None])
def test_only_a_state_read_from_talkdesk_proves_that_the_app_is_installed(seen: Any) -> None:
    assert not is_installed(asked(remote=seen))


BROKEN = TenantOutcome(
    TenantResult.FAILED, "no such key", failure(Reason.RENDER_FAILED, RetryClass.SLOW, fault=FaultOwner.CUSTOMER)
)


@pytest.mark.case(53, 54)
@pytest.mark.parametrize("reason", [Reason.RENDER_FAILED, Reason.APPLY_REFUSED])
def test_a_tenant_that_cannot_be_provisioned_rejects_the_request_only_if_the_app_says_so(reason: Reason) -> None:
    broken = TenantOutcome(
        TenantResult.FAILED, "a secret word", failure(reason, RetryClass.SLOW, fault=FaultOwner.CUSTOMER)
    )
    rejection = rejection_for(asked(app=app(onTenantFailure="Reject")), broken)
    assert rejection == Verdict(Decision.REJECT, "the app could not be set up for this account", Reason.POLICY_REJECTED)
    assert rejection_for(asked(), broken) is None
    assert rejection_for(asked(app=app(onTenantFailure="Hold")), broken) is None


@pytest.mark.case(53)
@pytest.mark.parametrize(
    "tenant_outcome",
    [
        TenantOutcome(TenantResult.WAITING, "0 of 1"),
        TenantOutcome(TenantResult.FAILED, "down", failure(Reason.CLUSTER_UNAVAILABLE)),
        TenantOutcome(TenantResult.FAILED, "the app's fault", failure(Reason.TEMPLATE_INVALID, RetryClass.TERMINAL)),
        *[TenantOutcome(TenantResult.FAILED, "ours", failure(reason, RetryClass.SLOW)) for reason in Reason],
        TenantOutcome(TenantResult.FAILED, "somebody else's", failure(Reason.CONFLICT, RetryClass.SLOW)),
        TenantOutcome(TenantResult.FAILED, "nobody knows"),
    ],
)
def test_a_tenant_failure_that_a_retry_may_mend_rejects_nothing(tenant_outcome: TenantOutcome) -> None:
    assert rejection_for(asked(app=app(onTenantFailure="Reject")), tenant_outcome) is None
