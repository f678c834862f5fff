"""A cluster and a Talkdesk whose outcomes of steps Hypothesis chooses."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from builders.any_scope import FAILURES, MOMENTS, REFUSED, REQUEST_STATES, STUCK, UNRENDERABLE, WORDS, so_far
from builders.objects import (
    NOON,
    answer,
    credentials,
    facts,
    failure,
    remote,
    tenant,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import (
    Credentials,
    Decision,
    Request,
    RequestType,
    TalkdeskInstallation,
)
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.ports.talkdesk import RemoteInstallation, RemoteTrial
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CredentialsMissing,
    RemoteFailed,
    RemoteMissing,
    Scope,
    SendState,
    TenantOutcome,
    TenantResult,
    UsersOutcome,
)
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    CheckNamespace,
    DeactivateUsers,
    DeleteCredentials,
    DeleteHistory,
    DeletePreviousCredentials,
    Erase,
    Finish,
    Offboard,
    Provision,
    Purge,
    ReadCredentials,
    ReadTalkdesk,
    RecordAnswer,
    RecordMissedRequest,
    RecoverRecord,
    RemoveFinalizer,
    Send,
    Step,
    SyncUsers,
)
from talkdesk_operator.domain.tenant.entitlement import desired_state

MOST_STEPS = 40


class World:
    """Does steps with outcomes that Hypothesis chooses. A request changes at most once, so that each run ends."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self._changes = self._pages = 1

    def do(self, step: Step, at: Scope) -> Scope:
        if self._draw(st.integers(0, 19)) == 0:
            return replace(at, failure=failure(Reason.CLUSTER_UNAVAILABLE))
        match step:
            case ReadCredentials():
                found = self._draw(st.just(credentials()) | st.builds(CredentialsMissing, st.sampled_from(STUCK)))
                name = "keys-1" if isinstance(found, Credentials) else None
                return replace(at, credentials=found, secret_name=name)
            case ReadTalkdesk():
                return self._read(step, at)
            case Provision():
                return self._tenant(at, desired_state(at), TenantResult.READY, TenantResult.WAITING)
            case Offboard() | Purge():
                end = TenantResult.PURGED if isinstance(step, Purge) else TenantResult.OFFBOARDED
                return self._tenant(at, TenantState.OFFBOARDED, end, TenantResult.DELETING)
            case RecordAnswer():
                recorded = answer(delivered=False)
                status = at.installation.status.model_copy(update={"answer": recorded})
                return replace(at, answer=recorded, installation=at.installation.model_copy(update={"status": status}))
            case Send(decision=decision):
                return self._send(at, decision)
            case DeleteCredentials() | Erase() | DeleteHistory():
                return self._forget(step, at)
            case (
                SyncUsers()
                | DeactivateUsers()
                | Acknowledge()
                | DeletePreviousCredentials()
                | RecordMissedRequest()
                | CheckNamespace()
                | RecoverRecord()
            ):
                return self._converge(step, at)
            case RemoveFinalizer() | Finish():
                raise AssertionError("ends the reconcile")

    def _forget(self, step: DeleteCredentials | Erase | DeleteHistory, at: Scope) -> Scope:
        match step:
            case DeleteCredentials():
                return replace(at, credentials_deleted=True)
            case Erase():
                return replace(at, erased=True)
            case DeleteHistory():
                held = at.installation.metadata.model_copy(update={"deletion_timestamp": at.now})
                return replace(at, installation=at.installation.model_copy(update={"metadata": held}))

    def _converge(self, step: Step, at: Scope) -> Scope:
        match step:
            case SyncUsers() | DeactivateUsers():
                return replace(at, users=self._users())
            case Acknowledge():
                came = self._draw(st.sampled_from(AcknowledgementState))
                lost = self._draw(FAILURES) if came is AcknowledgementState.FAILED else None
                return replace(at, acknowledged=came, ack_failure=lost)
            case RecoverRecord():
                return replace(at, record_searched=True, tenant=self._draw(st.none() | st.just(tenant())))
            case CheckNamespace():
                return replace(at, namespace_terminating=self._draw(st.booleans()))
            case DeletePreviousCredentials():
                return replace(at, previous_versions_deleted=True)
            case RecordMissedRequest(request=request):
                return self._record_request(request, at)
            case _:
                raise AssertionError(f"not among these: {step}")

    def _read(self, step: ReadTalkdesk, at: Scope) -> Scope:
        entitlement = st.builds(remote, st.sampled_from(WORDS + REQUEST_STATES), updated_at=st.none() | MOMENTS)
        refused = st.builds(RemoteFailed, FAILURES)
        seen = self._draw(entitlement | entitlement | st.just(RemoteMissing("not found")) | refused)
        # Sometimes Talkdesk refuses the newest credential version and accepts a previous one.
        name = self._draw(st.sampled_from(["keys-1", "keys-1", "keys-0"]))
        at = replace(at, remote=seen, secret_name=name)
        if not step.facts or not isinstance(seen, RemoteInstallation):
            return at
        read = facts(subscription=self._draw(st.sampled_from([None, "trial", "paid"])))
        trial = st.builds(RemoteTrial, st.just("active"), st.none() | MOMENTS, st.none() | MOMENTS)
        return replace(at, facts=read, trial=self._draw(trial) if step.trial else None)

    def _users(self) -> UsersOutcome:
        """Choose an outcome; at most one is unfinished, so that a list of users ends at some point."""
        came = self._draw(st.sampled_from([UsersOutcome(3, synced=3), UsersOutcome(3, synced=2, failed=1), None]))
        if came is not None:
            return came
        if self._pages:
            self._pages -= 1
            return UsersOutcome(3, synced=1, done=False, message="1 of 3")
        return UsersOutcome(3, failure=failure(Reason.SCIM_UNAVAILABLE))

    def _record_request(self, request: Request, at: Scope) -> Scope:
        """The API server may refuse a request that is not the newest any more."""
        taken = self._draw(st.booleans())
        spec = at.installation.spec.model_copy(update={"request": request}) if taken else at.installation.spec
        known = at.installation.model_copy(update={"spec": spec})
        return replace(at, installation=known, answer=so_far(known), missed_request_recorded=True)

    def _tenant(self, at: Scope, state: TenantState, good: TenantResult, slow: TenantResult) -> Scope:
        came = self._draw(st.sampled_from([good, good, slow, TenantResult.FAILED]))
        how = [REFUSED, UNRENDERABLE] if state is not TenantState.OFFBOARDED else [REFUSED]
        bad = self._draw(st.sampled_from(how)) if came is TenantResult.FAILED else None
        spec = (at.tenant or tenant()).spec.model_copy(update={"state": state, "uninstall_time": NOON})
        return replace(
            at,
            tenant=(at.tenant or tenant()).model_copy(update={"spec": spec}),
            tenant_outcome=TenantOutcome(came, "so it is", bad, NOON - timedelta(seconds=8)),
        )

    def _send(self, at: Scope, decision: Decision) -> Scope:
        came = self._draw(st.sampled_from(SendState))
        if came is SendState.OUTDATED and not self._changes:
            came = SendState.DELIVERED
        match came:
            case SendState.DELIVERED:
                again = at.request.type is RequestType.UNINSTALL
                delivered = (at.answer or answer()).model_copy(update={"delivery_time": NOON, "decision": decision})
                return replace(at, sent=came, answer=delivered, remote=None if again else at.remote)
            case SendState.OUTDATED:
                self._changes -= 1
                return replace(at, sent=came)
            case _:
                return replace(at, sent=came, send_failure=self._draw(FAILURES), remote=None)


def follow(
    start: Scope, data: st.DataObject, world: World | None = None
) -> tuple[Scope, Finish | RemoveFinalizer, list[Step]]:
    """Run a reconcile; several may share one world, so that a list of users ends at some point."""
    world, at, steps = world or World(data), start, list[Step]()
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | RemoveFinalizer):
            return at, step, steps
        steps.append(step)
        at = world.do(step, at)
    raise AssertionError(f"no end: {steps}")


def with_new_status(at: Scope, finish: Finish) -> TalkdeskInstallation:
    status = compute(at, finish, jitter=1)
    return at.installation.model_copy(update={"status": status})
