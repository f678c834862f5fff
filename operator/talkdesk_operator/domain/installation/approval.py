"""The verdict on an Install or Update: a person's decision, the app's rules, or the automatic decision.

Belongs here: the verdict, before anything is provisioned. Does not belong here: uninstalls, which are always approved;
whether the tenant is ready (`prerequisites`), how the answer reaches Talkdesk (`answer`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from talkdesk_crds.app import ApprovalMode, OnTenantFailure
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, InstallationPhase, RequestType
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import deadline, saturating_add
from talkdesk_operator.domain.reconcile.observation import next_deadline_check
from talkdesk_operator.domain.reconcile.scope import CompiledRule, FaultOwner, Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.desired import template_context
from talkdesk_operator.templates.cel import Exhausted, ExpressionError
from talkdesk_runtime.durations import parse_duration

__all__ = ["RULE_VARIABLES", "Verdict", "is_installed", "judge", "rejection_for"]

RULE_VARIABLES: Final = frozenset({"app", "account", "installation", "subscription", "trial", "request"})
"""The variables of a rule in `approval.rejectWhen`."""

_INSTALLED: Final = frozenset({RemoteState.DONE, RemoteState.SUSPENDED})
"""States that an installation reaches only after its approval."""
_BUSY: Final = timedelta(minutes=1)
"""When a rule is tried again that the machine alone kept from its evaluation."""
_SETUP_FAILED: Final = "the app could not be set up for this account"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request is to be answered."""

    decision: Decision
    explanation: str = ""
    """Sent to Talkdesk with the decision."""
    reason: Reason = Reason.SUCCEEDED
    """Who or what rejected the request."""


def judge(scope: Scope) -> Verdict | Finish:
    """Return the verdict on an Install or Update, or how to wait for one."""
    if _already_approved(scope):
        return Verdict(Decision.APPROVE)
    spec, approval = scope.required_app.resource.spec.approval, scope.installation.spec.approval
    if approval is not None and approval.event_id == scope.request.event_id:
        return Verdict(approval.decision, approval.reason or "", Reason.REJECTED)
    if len(scope.required_app.reject_rules) < len(spec.reject_when):
        return _stalled(scope, f"the TalkdeskApp's rules cannot be checked: {scope.required_app.problem}")
    variables = _variables(scope) if scope.required_app.reject_rules else {}
    for rule in scope.required_app.reject_rules:
        outcome = _applies(scope, rule, variables)
        if isinstance(outcome, Finish):
            return outcome
        if outcome:
            return Verdict(Decision.REJECT, rule.reason, Reason.POLICY_REJECTED)
    if spec.mode is ApprovalMode.AUTO:
        return Verdict(Decision.APPROVE)
    return _automatic(scope) or _await_decision(scope)


def is_installed(scope: Scope) -> bool:
    """Return whether Talkdesk shows the installation as approved."""
    return isinstance(scope.remote, RemoteInstallation) and scope.remote.classified_state in _INSTALLED


def _already_approved(scope: Scope) -> bool:
    """Return whether Talkdesk shows an Install as approved: it can no longer be rejected."""
    return is_installed(scope) and scope.request.type is RequestType.INSTALL


def rejection_for(scope: Scope, outcome: TenantOutcome) -> Verdict | None:
    """Return the rejection of a request whose tenant cannot be provisioned; None where the app does not want that.

    A rejection can't be taken back: only what is proven to be the customer's own, which no repetition mends, rejects.
    """
    on_failure = scope.required_app.resource.spec.approval.on_tenant_failure
    if on_failure is OnTenantFailure.HOLD or _already_approved(scope):
        return None
    failure = outcome.failure if outcome.result is TenantResult.FAILED else None
    if failure is None or failure.fault is not FaultOwner.CUSTOMER:
        return None
    return Verdict(Decision.REJECT, _SETUP_FAILED, Reason.POLICY_REJECTED)


def _applies(scope: Scope, rule: CompiledRule, variables: dict[str, Any]) -> bool | Finish:
    try:
        value = rule.expression.evaluate(variables)
    except ExpressionError as error:
        failed = _rule_failed(scope, rule, error.reason)
        if isinstance(error, Exhausted) and error.passing:
            return replace(failed, stalled=False, requeue_at=scope.now + _BUSY)
        return failed
    return value if isinstance(value, bool) else _rule_failed(scope, rule, "it must give true or false")


def _variables(scope: Scope) -> dict[str, Any]:
    request = scope.request
    context = template_context(scope, scope.required_app)
    asked = {"type": request.type.value, "appVersion": request.app_version, "changes": request.changes}
    return {name: context[name] for name in RULE_VARIABLES - {"request"}} | {"request": asked}


def _rule_failed(scope: Scope, rule: CompiledRule, why: str) -> Finish:
    source = rule.expression.source
    return _stalled(scope, f"the TalkdeskApp's rule approval.rejectWhen {source!r} cannot be evaluated: {why}")


def _stalled(scope: Scope, problem: str) -> Finish:
    phase, requeue_at = InstallationPhase.PENDING, next_deadline_check(scope)
    message = f"{problem}; correct the TalkdeskApp, or decide this request in spec.approval"
    return Finish(phase=phase, reason=Reason.POLICY_FAILED, message=message, stalled=True, requeue_at=requeue_at)


def _automatic(scope: Scope) -> Verdict | None:
    automatic, moment = scope.required_app.resource.spec.approval.automatic, _automatic_at(scope)
    if automatic is None or moment is None or scope.now < moment:
        return None
    return Verdict(automatic.decision, "nobody decided in time", Reason.POLICY_REJECTED)


def _automatic_at(scope: Scope) -> datetime | None:
    automatic = scope.required_app.resource.spec.approval.automatic
    if automatic is None:
        return None
    return saturating_add(
        deadline(scope.request, scope.required_app.resource), -parse_duration(automatic.before_deadline)
    )


def _await_decision(scope: Scope) -> Finish:
    approval, event_id = scope.installation.spec.approval, scope.request.event_id
    todo = (
        f"set spec.approval.eventId to {event_id}, spec.approval.decision to Approve or Reject, and"
        " spec.approval.decidedBy to your user name (kubectl auth whoami)"
    )
    reason, message = Reason.AWAITING_DECISION, f"a person must decide on the request: {todo}"
    if approval is not None:
        reason = Reason.DECISION_MISMATCH
        message = f"the decision in spec.approval is for another event, {approval.event_id}: {todo}"
    moment, check = _automatic_at(scope), next_deadline_check(scope)
    return Finish(
        phase=InstallationPhase.AWAITING_DECISION,
        reason=reason,
        message=message,
        terminal=True,
        requeue_at=check if moment is None else min(moment, check),
    )
