"""What Talkdesk is to be told about an installation or an update: a person's word, the app's rules, or approval.

Belongs here: the verdict, before anything is made. Does not belong here: uninstalls, which are always approved; whether
the tenant is ready, and how the answer gets to Talkdesk (`lifecycle`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from talkdesk_crds.app import ApprovalMode, OnTenantFailure
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import Decision, InstallationPhase, RequestType
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteState
from talkdesk_operator.domain.reconcile.deadlines import deadline, later
from talkdesk_operator.domain.reconcile.observation import read_before_deadline
from talkdesk_operator.domain.reconcile.scope import CompiledRule, Scope, Tenancy, TenancyState
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.domain.tenant.desired import template_context
from talkdesk_operator.templates.cel import ExpressionError
from talkdesk_runtime.durations import parse_duration

__all__ = ["RULE_VARIABLES", "Verdict", "is_installed", "judge", "of_failure"]

RULE_VARIABLES: Final = frozenset({"app", "account", "installation", "subscription", "trial", "request"})
"""What a rule in `approval.rejectWhen` can see."""

_INSTALLED: Final = frozenset({RemoteState.DONE, RemoteState.SUSPENDED})
"""States that an installation only comes to once it was approved."""
_FINAL: Final = frozenset({Reason.RENDER_FAILED, Reason.APPLY_REFUSED})
"""Failures of a tenant that no repetition mends."""
_NOT_MADE: Final = "the app could not be set up for this account"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Talkdesk is to be told."""

    decision: Decision
    told: str = ""
    """The reason that Talkdesk is told."""
    reason: Reason = Reason.SUCCEEDED
    """Where a rejection comes from."""


def judge(scope: Scope) -> Verdict | Finish:
    """Return the verdict on an Install or Update, or how to wait for one."""
    if _is_done(scope):
        return Verdict(Decision.APPROVE)
    approval = scope.installation.spec.approval
    if approval is not None and approval.event_id == scope.request.event_id:
        return Verdict(approval.decision, approval.reason or "", Reason.REJECTED)
    if len(scope.policy.reject_rules) < len(scope.policy.resource.spec.approval.reject_when):
        return _held(scope, scope.policy.problem)
    variables = _variables(scope) if scope.policy.reject_rules else {}
    for rule in scope.policy.reject_rules:
        outcome = _applies(scope, rule, variables)
        if isinstance(outcome, Finish):
            return outcome
        if outcome:
            return Verdict(Decision.REJECT, rule.reason, Reason.POLICY_REJECTED)
    if scope.policy.resource.spec.approval.mode is ApprovalMode.AUTO:
        return Verdict(Decision.APPROVE)
    return _automatic(scope) or _undecided(scope)


def is_installed(scope: Scope) -> bool:
    """Return whether Talkdesk has the installation as approved."""
    return isinstance(scope.remote, RemoteInstallation) and scope.remote.entitlement in _INSTALLED


def _is_done(scope: Scope) -> bool:
    """Return whether it was approved already: what was installed can't be rejected any more."""
    return is_installed(scope) and scope.request.type is RequestType.INSTALL


def of_failure(scope: Scope, tenancy: Tenancy) -> Verdict | None:
    """Return the rejection of a request whose tenant can't be made, where the app's policy wants that."""
    if scope.policy.resource.spec.approval.on_tenant_failure is OnTenantFailure.HOLD or _is_done(scope):
        return None
    failure = tenancy.failure if tenancy.state is TenancyState.FAILED else None
    if failure is None or failure.reason not in _FINAL:
        return None
    return Verdict(Decision.REJECT, _NOT_MADE, Reason.POLICY_REJECTED)


def _applies(scope: Scope, rule: CompiledRule, variables: dict[str, Any]) -> bool | Finish:
    try:
        value = rule.expression.evaluate(variables)
    except ExpressionError as error:
        return _unclear(scope, rule, error.reason)
    return value if isinstance(value, bool) else _unclear(scope, rule, "it gives neither true nor false")


def _variables(scope: Scope) -> dict[str, Any]:
    request = scope.request
    context = template_context(scope, scope.policy)
    asked = {"type": request.type.value, "appVersion": request.app_version, "changes": request.changes}
    return {name: context[name] for name in RULE_VARIABLES - {"request"}} | {"request": asked}


def _unclear(scope: Scope, rule: CompiledRule, why: str) -> Finish:
    return _held(scope, f"approval.rejectWhen {rule.expression.source!r}: {why}")


def _held(scope: Scope, message: str) -> Finish:
    phase, requeue_at = InstallationPhase.PENDING, read_before_deadline(scope)
    return Finish(phase=phase, reason=Reason.POLICY_FAILED, message=message, stalled=True, requeue_at=requeue_at)


def _automatic(scope: Scope) -> Verdict | None:
    automatic, moment = scope.policy.resource.spec.approval.automatic, _automatic_at(scope)
    if automatic is None or moment is None or scope.now < moment:
        return None
    return Verdict(automatic.decision, "nobody decided in time", Reason.POLICY_REJECTED)


def _automatic_at(scope: Scope) -> datetime | None:
    automatic = scope.policy.resource.spec.approval.automatic
    if automatic is None:
        return None
    return later(deadline(scope.request, scope.policy.resource), -parse_duration(automatic.before))


def _undecided(scope: Scope) -> Finish:
    approval, event_id = scope.installation.spec.approval, scope.request.event_id
    reason, message = Reason.AWAITING_DECISION, f"a person must decide: set spec.approval with eventId {event_id}"
    if approval is not None:
        reason = Reason.DECISION_MISMATCH
        message = f"spec.approval decides event {approval.event_id}; the one that waits is {event_id}"
    moment, look = _automatic_at(scope), read_before_deadline(scope)
    return Finish(
        phase=InstallationPhase.AWAITING_DECISION,
        reason=reason,
        message=message,
        terminal=True,
        requeue_at=look if moment is None else min(moment, look),
    )
