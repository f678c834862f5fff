"""The seeded faults: one line each, in domain, reconcilers, adapters, webhook and the rules of the kinds."""

from model.mutants import Mutant
from model.seeded_services import SERVICE_MUTANTS
from model.seeded_tenants import TENANT_MUTANTS
from model.seeded_users import USER_MUTANTS

__all__ = ["MUTANTS"]

_OPERATOR = "operator/talkdesk_operator"
_INSTALLATION = f"{_OPERATOR}/domain/installation"
_LIFE, _UPDATE, _ROTATION, _REINSTALL = "a life", "an update", "a rotation", "a reinstall"
_SECOND, _RETURN, _LEADERS = "a second installation", "a return under the same id", "two leaders"

MUTANTS = (
    Mutant(
        "an approval does not wait for the tenant",
        f"{_INSTALLATION}/lifecycle.py",
        "return converge(scope) or approve(scope)",
        "return approve(scope) or converge(scope)",
        _LIFE,
    ),
    Mutant(
        "a tenant that failed counts as provisioned",
        f"{_INSTALLATION}/prerequisites.py",
        "_PROVISIONED: Final = frozenset({TenantResult.READY})",
        "_PROVISIONED: Final = frozenset({TenantResult.READY, TenantResult.FAILED})",
        _LIFE,
    ),
    Mutant(
        "an uninstall is acknowledged before the offboarding",
        f"{_INSTALLATION}/uninstall.py",
        "return _offboard(scope) or _acknowledge(scope)",
        "return _acknowledge(scope) or _offboard(scope)",
        _LIFE,
    ),
    Mutant(
        "any refusal proves that an acknowledgement arrived",
        f"{_INSTALLATION}/uninstall.py",
        "return _may_prove(scope) and refusal_lasts(scope)",
        "return _is_refused(scope)",
        _LIFE,
    ),
    Mutant(
        "an answer is never put on record before its call",
        f"{_INSTALLATION}/answer_record.py",
        'return scope.request.type is not RequestType.INSTALL or word != "installing"',
        'return scope.request.type is RequestType.INSTALL and word != "installing"',
        _LIFE,
    ),
    Mutant(
        "an answer that was lost counts as refused",
        f"{_OPERATOR}/domain/reconcile/error_policy.py",
        "            return SendState.UNCLEAR",
        "            return SendState.REFUSED",
        _LIFE,
    ),
    Mutant(
        "the first 404 is believed",
        f"{_OPERATOR}/domain/reconcile/observation.py",
        "    if retry is not None and retry.reason == Reason.NOT_FOUND_ONCE and scope.now >= retry.next_attempt_time:",
        "    if retry is None or retry.reason == Reason.NOT_FOUND_ONCE:",
        _LIFE,
    ),
    Mutant(
        "a state that is older than the request is believed",
        f"{_OPERATOR}/domain/reconcile/observation.py",
        "            return is_before(moment, scope.request.event_time) and not is_overdue(scope)",
        "            return is_before(moment, scope.request.event_time) and is_overdue(scope)",
        _RETURN,
    ),
    Mutant(
        "an answer goes out though its request was replaced",
        f"{_OPERATOR}/reconcilers/installation.py",
        "        if known is None or known.spec.request != scope.installation.spec.request:",
        "        if known is None:",
        _LIFE,
    ),
    Mutant(
        "an answer that was put on record for one request goes to another",
        f"{_OPERATOR}/reconcilers/installation.py",
        "        if installation.spec.request != scope.installation.spec.request:",
        "        if installation.spec.request is None:",
        "an update overtaken",
    ),
    Mutant(
        "the retention is over from the beginning",
        f"{_OPERATOR}/domain/tenant/desired.py",
        "    return after is not None and scope.now >= after",
        "    return after is not None and scope.now <= after",
        _LIFE,
    ),
    Mutant(
        "credentials are kept after the end",
        f"{_OPERATOR}/adapters/kubernetes/credential_versions.py",
        "if name == named or issued <= until)",
        "if name != named and issued <= until)",
        _LIFE,
    ),
    Mutant(
        "the plan is not in the record before objects are applied",
        f"{_OPERATOR}/reconcilers/tenant.py",
        "            objects=tuple(planned_object(entry) for entry in planned(rendered)),",
        "            objects=(),",
        _LIFE,
    ),
    Mutant(
        "a status is written over what somebody else wrote",
        f"{_OPERATOR}/adapters/kubernetes/own_objects.py",
        "                if unchanged or not _has_status(raw, resource):",
        "                if unchanged:",
        _LEADERS,
    ),
    Mutant(
        "an older request replaces a newer one",
        "crds/talkdesk_crds/order.py",
        'replaced = " || ".join((f"self.{moment} > oldSelf.{moment}"',
        'replaced = " || ".join((f"self.{moment} < oldSelf.{moment}"',
        _LIFE,
    ),
    Mutant(
        "the webhook takes the credentials' Secret for stored",
        "webhook/talkdesk_webhook/inbox.py",
        "            known = record.secret is not None and not await self._store_secret(record, record.secret)",
        "            known = record.secret is not None",
        _LIFE,
    ),
    Mutant(
        "credentials are acknowledged without a proof",
        f"{_INSTALLATION}/rotation.py",
        "    if register is None or not proven or scope.secret_name != register.secret_name:",
        "    if register is None or scope.credentials is None:",
        _ROTATION,
    ),
    Mutant(
        "new credentials are not acknowledged",
        f"{_INSTALLATION}/rotation.py",
        "    return known is None or known.acknowledged_event_id != register.event_id",
        "    return known is not None and known.acknowledged_event_id == register.event_id",
        _ROTATION,
    ),
    Mutant(
        "newer credentials go as replaced ones",
        f"{_OPERATOR}/adapters/kubernetes/credential_versions.py",
        "            return moment < known.event_time",
        "            return moment > known.event_time",
        _ROTATION,
    ),
    Mutant(
        "the oldest installation owns the tenant",
        f"{_OPERATOR}/domain/reconcile/ownership.py",
        "    owner = max(alive, key=_recency) if alive",
        "    owner = min(alive, key=_recency) if alive",
        _SECOND,
    ),
    Mutant(
        "whoever is uninstalled takes the tenant along",
        f"{_OPERATOR}/domain/reconcile/scope.py",
        "        return self.tenant is not None and self.role is not Role.NON_OWNER",
        "        return self.tenant is not None",
        _SECOND,
    ),
    Mutant(
        "a tenant is offboarded on an old view",
        f"{_OPERATOR}/reconcilers/tenant_removal.py",
        "        if (begins or _doomed(tenant)) and await self.is_overtaken(scope):",
        "        if (begins and _doomed(tenant)) and not begins:",
        _REINSTALL,
    ),
    Mutant(
        "an update that Talkdesk still shows as pending counts as seen",
        f"{_INSTALLATION}/pending.py",
        "    if not isinstance(remote, RemoteInstallation) or remote.classified_state not in _INSTALLED:",
        "    if not isinstance(remote, RemoteInstallation) or remote.classified_state in _INSTALLED:",
        _UPDATE,
    ),
    Mutant(
        "a pause is overlooked",
        f"{_INSTALLATION}/lifecycle.py",
        "    if paused:\n        return Finish(phase=InstallationPhase.PAUSED",
        "    if not paused and scope.app is None:\n        return Finish(phase=InstallationPhase.PAUSED",
        "a pause",
    ),
    Mutant(
        "nobody is asked for a decision",
        f"{_INSTALLATION}/approval.py",
        "    if spec.mode is ApprovalMode.AUTO:",
        "    if spec.mode is not None:",
        "a person decides",
    ),
    Mutant(
        "an approval is taken for a rejection",
        f"{_INSTALLATION}/lifecycle.py",
        "    if verdict.decision is Decision.REJECT:",
        "    if verdict.decision is Decision.APPROVE:",
        _LIFE,
    ),
    Mutant(
        "a deletion by hand is taken for an uninstall",
        f"{_INSTALLATION}/retention.py",
        "    if scope.installation.spec.deletion_policy is DeletionPolicy.RETAIN:",
        "    if scope.installation.spec.deletion_policy is DeletionPolicy.DELETE:",
        "a deletion by hand",
    ),
    Mutant(
        "an event goes into an object that is being deleted",
        "webhook/talkdesk_webhook/inbox.py",
        '    if "deletionTimestamp" in stored["metadata"]:',
        '    if "deletionTimestamp" in stored["spec"]:',
        "a deletion by hand",
    ),
    Mutant(
        "a request whose event was lost is not looked for",
        f"{_INSTALLATION}/divergence.py",
        "    if kind is None or kind is scope.request.type is RequestType.UNINSTALL:",
        "    if kind is None or kind is not scope.request.type:",
        "a lost event",
    ),
    *USER_MUTANTS,
    *TENANT_MUTANTS,
    *SERVICE_MUTANTS,
)
