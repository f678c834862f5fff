"""What holds for every pass over every installation, whatever the cluster and Talkdesk make of its steps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.objects import (
    EVENT,
    NOON,
    answer,
    condition,
    credentials,
    credentials_object,
    current_tenant,
    decided,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
    trial_object,
    view,
)
from talkdesk_crds.app import ApprovalMode, OnTenantFailure
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import (
    AccountFacts,
    Answer,
    Credentials,
    CredentialsStatus,
    Decision,
    DeletionPolicy,
    Ending,
    EndingKind,
    InstallationStatus,
    Request,
    RequestType,
    TalkdeskInstallation,
    TrialState,
    TrialStatus,
    UsersStatus,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.deadlines import is_closed, is_ended, waits_for_answer
from talkdesk_operator.domain.lifecycle import decide
from talkdesk_operator.domain.policy import is_installed
from talkdesk_operator.domain.rotation import is_due
from talkdesk_operator.domain.scope import (
    AckState,
    CredentialsMissing,
    Failure,
    Pace,
    RemoteMissing,
    RemoteRefused,
    Role,
    Scope,
    SendState,
    Tenancy,
    TenancyState,
    UsersOutcome,
)
from talkdesk_operator.domain.standing import wanted_state
from talkdesk_operator.domain.status import compute
from talkdesk_operator.domain.steps import (
    Acknowledge,
    Announce,
    DeactivateUsers,
    DropCredentials,
    DropOldCredentials,
    Erase,
    Finish,
    Note,
    Offboard,
    Provision,
    Purge,
    ReadCredentials,
    ReadTalkdesk,
    Release,
    Send,
    Step,
    SyncUsers,
)
from talkdesk_operator.domain.talkdesk import RemoteInstallation, RemoteTrial
from talkdesk_operator.domain.tenancy import purge_due

MOST_STEPS = 40
MOST_PASSES_AT_ONCE = 4
PATIENTLY = settings(deadline=None)  # a busy machine is no fault
DAY = timedelta(days=1)
RULES = [{"expression": "account.name == 'acme'", "reason": "not for you"}]
SCIM = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}
OFFBOARD = {"trial": {"onEnd": "Offboard"}, "licence": {"onSuspended": "Offboard", "onRevoked": "Offboard"}}
KEEP = {"trial": {"onEnd": "Keep"}, "licence": {"onSuspended": "Keep", "onRevoked": "Keep"}}
APPS = [
    view(),
    view(),
    view(uninstall={"approve": "BeforeOffboard"}),
    view(approval={"mode": "Manual"}),
    view(approval={"mode": "Manual", "automatic": {"decision": "Approve", "before": "2d"}}),
    view(approval={"mode": "Manual", "automatic": {"decision": "Reject", "before": "1h"}}, **OFFBOARD),
    view(approval={"rejectWhen": RULES}),
    view(approval={"rejectWhen": [{"expression": "account.name", "reason": "no rule"}]}),
    view(approval={"onTenantFailure": "Reject"}, users={}),
    view(users={"scim": SCIM}, **OFFBOARD),
    view(users={"scim": SCIM}, uninstall={"approve": "BeforeOffboard"}, **KEEP),
    view(**OFFBOARD),
    view(paused=True),
    None,
]
WORDS = ["installing", "pending", "completed", "rejected", "timeout", "suspended", "revoked", "martian", ""]
REQUESTED = ["updating", "uninstalling", "uninstalled"]
SETS = ["keys-1", "keys-2", None]
MOMENTS = st.sampled_from([NOON - 30 * DAY, NOON - 7 * DAY, NOON - DAY, NOON, NOON + DAY])
FAILURES = st.builds(
    failure,
    st.sampled_from([Reason.UNAVAILABLE, Reason.FORBIDDEN, Reason.CREDENTIALS_REFUSED, Reason.FOREIGN_HOST]),
    st.sampled_from(Pace),
)
TRUTHS = ["True", "False"]
RETAINED = condition(ConditionType.READY, "False", Reason.RETAINED)
STUCK = failure(Reason.CREDENTIALS_LOST, Pace.SLOW), failure(Reason.CREDENTIALS_MISSING, Pace.NEVER)
REFUSED = failure(Reason.APPLY_REFUSED, Pace.SLOW)
UNRENDERABLE = failure(Reason.RENDER_FAILED, Pace.NEVER)


@st.composite
def statuses(draw: st.DrawFn) -> InstallationStatus:
    """What may be on record, of this request or of one before it."""
    event = st.sampled_from([EVENT, "event-0"])
    ending = st.builds(
        lambda *a: Ending(kind=a[0], event_id=a[1], at=a[2]), st.sampled_from(EndingKind), event, MOMENTS
    )
    told = st.builds(answer, event=event, sent=st.booleans(), delivered=st.booleans())
    reasons = st.sampled_from([Reason.NOT_FOUND_ONCE, Reason.UNAVAILABLE])
    known = st.sampled_from([Reason.SUCCEEDED, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_DELETED])
    valid = st.builds(condition, st.just(ConditionType.CREDENTIALS_VALID), st.just("False"), known)
    judged = st.builds(
        condition, st.sampled_from([ConditionType.IN_SYNC, ConditionType.DEADLINE_NEAR]), st.sampled_from(TRUTHS)
    )
    return InstallationStatus(
        answer=draw(st.none() | told),
        ending=draw(st.none() | ending),
        retry=draw(st.none() | st.builds(retry, reasons, MOMENTS)),
        account=draw(st.sampled_from([None, AccountFacts(id="acc-1", name="acme")])),
        conditions=draw(st.sampled_from([(), (draw(valid),), (draw(judged),)])),
        talkdesk_state=draw(st.sampled_from([None, None, "suspended", "revoked"])),
        trial=draw(st.none() | st.builds(trial_on_record, st.sampled_from(TrialState), MOMENTS)),
        users=draw(st.sampled_from([None, UsersStatus(licensed=3), UsersStatus(licensed=3, complete=False)])),
        credentials=draw(st.none() | st.builds(used, st.sampled_from(SETS), st.sampled_from([None, "rotation-1"]))),
    )


def trial_on_record(state: TrialState, at: datetime) -> TrialStatus:
    return TrialStatus(state=state, at=at, ended_reason="trial_expired" if state is TrialState.ENDED else None)


def used(secret: str | None, acknowledged: str | None) -> CredentialsStatus:
    return CredentialsStatus(key_id="key-1", secret_name=secret, acknowledged=acknowledged)


def trial_events() -> st.SearchStrategy[dict[str, Any]]:
    reasons = st.sampled_from(["trial_expired", "app_uninstalled", "plan_upgraded"])
    return st.builds(
        lambda state, at, why: trial_object(state.value, at=at, endedReason=why),
        st.sampled_from(TrialState),
        MOMENTS,
        reasons,
    )


def decisions() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda decision, event: decided(decision.value, event=event),
        st.sampled_from(Decision),
        st.sampled_from([EVENT, "event-0"]),
    )


@st.composite
def installations(draw: st.DrawFn) -> TalkdeskInstallation:
    meta: dict[str, Any] = {"deletionTimestamp": draw(st.sampled_from([None, None, None, to_wire_time(NOON)]))}
    if draw(st.integers(0, 9)) == 0:
        meta["finalizers"] = []
    origin = draw(st.sampled_from(["Install", "Rotation", None]))
    return installation(
        credentials=credentials_object("keys-1", origin=origin),
        trial=draw(st.none() | trial_events()),
        approval=draw(st.none() | decisions()),
        request=draw(st.sampled_from([*RequestType, *RequestType, None])),
        at=draw(MOMENTS),
        status=draw(statuses()),
        meta=meta,
        paused=draw(st.integers(0, 9)) == 0,
        deletionPolicy=draw(st.sampled_from(DeletionPolicy)).value,
    )


@st.composite
def tenants(draw: st.DrawFn, of: Scope) -> TalkdeskTenant | None:
    made = tenant(
        state := draw(st.sampled_from(TenantState)),
        status=TenantStatus(purge_after=draw(st.none() | MOMENTS), conditions=draw(st.sampled_from([(), (RETAINED,)]))),
        paused=draw(st.integers(0, 9)) == 0,
        purge={"requestedBy": "sam"} if state is TenantState.OFFBOARDED and draw(st.booleans()) else None,
        deletionProtection=draw(st.booleans()),
        uninstalledAt=draw(st.sampled_from([None, to_wire_time(NOON), to_wire_time(NOON - DAY)])),
    )
    current = [current_tenant(of)] if of.app is not None else []
    return draw(st.sampled_from([None, made, *current]))


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """Any scope that a pass may begin with."""
    known = scope(
        app=draw(st.sampled_from(APPS)),
        installation=draw(installations()),
        role=draw(st.sampled_from(Role)),
        resync=draw(st.booleans()),
        drifted=draw(st.booleans()),
    )
    return replace(known, tenant=draw(tenants(known)), answer=so_far(known.installation))


def so_far(known: TalkdeskInstallation) -> Answer | None:
    request, told = known.spec.request, known.status.answer
    return told if request is not None and told is not None and told.event_id == request.event_id else None


class World:
    """Does a step as well or badly as Hypothesis likes. A request changes once at most, as nobody writes forever."""

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
                return self._tenant(at, wanted_state(at), TenancyState.READY, TenancyState.WAITING)
            case Offboard() | Purge():
                end = TenancyState.PURGED if isinstance(step, Purge) else TenancyState.OFFBOARDED
                return self._tenant(at, TenantState.OFFBOARDED, end, TenancyState.DELETING)
            case Announce():
                told = answer(delivered=False)
                status = at.installation.status.model_copy(update={"answer": told})
                return replace(at, answer=told, installation=at.installation.model_copy(update={"status": status}))
            case Send(decision=decision):
                return self._send(at, decision)
            case DropCredentials():
                return replace(at, credentials_dropped=True)
            case Erase():
                return replace(at, erased=True)
            case SyncUsers() | DeactivateUsers() | Acknowledge() | DropOldCredentials() | Note():
                return self._keep_up(step, at)
            case Release() | Finish():
                raise AssertionError("ends the pass")

    def _keep_up(self, step: Step, at: Scope) -> Scope:
        match step:
            case SyncUsers() | DeactivateUsers():
                return replace(at, users=self._users())
            case Acknowledge():
                came = self._draw(st.sampled_from(AckState))
                lost = self._draw(FAILURES) if came is AckState.FAILED else None
                return replace(at, acknowledged=came, ack_failure=lost)
            case DropOldCredentials():
                return replace(at, sets_dropped=True)
            case Note(request=request):
                return self._note(request, at)
            case _:
                raise AssertionError(f"not among these: {step}")

    def _read(self, step: ReadTalkdesk, at: Scope) -> Scope:
        standing = st.builds(remote, st.sampled_from(WORDS + REQUESTED), updated_at=st.none() | MOMENTS)
        refused = st.builds(RemoteRefused, FAILURES)
        seen = self._draw(standing | standing | st.just(RemoteMissing("not found")) | refused)
        # Now and then Talkdesk refuses the newest set and takes another one.
        name = self._draw(st.sampled_from(["keys-1", "keys-1", "keys-0"]))
        at = replace(at, remote=seen, secret_name=name)
        if not step.facts or not isinstance(seen, RemoteInstallation):
            return at
        read = facts(subscription=self._draw(st.sampled_from([None, "trial", "paid"])))
        trial = st.builds(RemoteTrial, st.just("active"), st.none() | MOMENTS, st.none() | MOMENTS)
        return replace(at, facts=read, trial=self._draw(trial) if step.trial else None)

    def _users(self) -> UsersOutcome:
        """A list of users comes to its end some time, so that it is not at its end is said once at most."""
        came = self._draw(st.sampled_from([UsersOutcome(3, synced=3), UsersOutcome(3, synced=2, failed=1), None]))
        if came is not None:
            return came
        if self._pages:
            self._pages -= 1
            return UsersOutcome(3, synced=1, done=False, message="1 of 3")
        return UsersOutcome(3, failure=failure(Reason.SCIM_UNAVAILABLE))

    def _note(self, request: Request, at: Scope) -> Scope:
        """The API server may refuse a request that is not the newest any more."""
        taken = self._draw(st.booleans())
        spec = at.installation.spec.model_copy(update={"request": request}) if taken else at.installation.spec
        known = at.installation.model_copy(update={"spec": spec})
        return replace(at, installation=known, answer=so_far(known), noted=True)

    def _tenant(self, at: Scope, state: TenantState, good: TenancyState, slow: TenancyState) -> Scope:
        came = self._draw(st.sampled_from([good, good, slow, TenancyState.FAILED]))
        how = [REFUSED, UNRENDERABLE] if state is not TenantState.OFFBOARDED else [REFUSED]
        bad = self._draw(st.sampled_from(how)) if came is TenancyState.FAILED else None
        spec = (at.tenant or tenant()).spec.model_copy(update={"state": state, "uninstalled_at": NOON})
        return replace(
            at,
            tenant=(at.tenant or tenant()).model_copy(update={"spec": spec}),
            tenancy=Tenancy(came, "so it is", bad, NOON - timedelta(seconds=8)),
        )

    def _send(self, at: Scope, decision: Decision) -> Scope:
        came = self._draw(st.sampled_from(SendState))
        if came is SendState.OUTDATED and not self._changes:
            came = SendState.DELIVERED
        match came:
            case SendState.DELIVERED:
                again = at.request.type is RequestType.UNINSTALL
                told = (at.answer or answer()).model_copy(update={"at": NOON, "decision": decision})
                return replace(at, sent=came, answer=told, remote=None if again else at.remote)
            case SendState.OUTDATED:
                self._changes -= 1
                return replace(at, sent=came)
            case _:
                return replace(at, sent=came, send_failure=self._draw(FAILURES), remote=None)


def follow(start: Scope, data: st.DataObject) -> tuple[Scope, Finish | Release, list[Step]]:
    world, at, steps = World(data), start, list[Step]()
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | Release):
            return at, step, steps
        steps.append(step)
        at = world.do(step, at)
    raise AssertionError(f"no end: {steps}")


def noted(at: Scope, finish: Finish) -> TalkdeskInstallation:
    status = compute(at, finish, jitter=1)
    return at.installation.model_copy(update={"status": status})


@given(scopes(), st.data())
@PATIENTLY
def test_every_pass_ends_and_no_step_is_taken_without_the_right_to_it(start: Scope, data: st.DataObject) -> None:
    at, _, steps = follow(start, data)
    first, kinds = start.installation, [type(step) for step in steps]
    leaving = first.spec.request is not None and first.spec.request.type is RequestType.UNINSTALL
    deleted = first.metadata.deletion_timestamp is not None
    assert kinds.count(Send) <= 1
    if Send in kinds:
        assert waits_for_answer(first) or (leaving and not is_closed(first))
        assert ReadTalkdesk in kinds[: kinds.index(Send)]
        assert not leaving or (start.answer is not None and start.answer.sent_at) or Announce in kinds
    if Offboard in kinds:
        assert leaving or is_ended(first) or wanted_state(at) is TenantState.OFFBOARDED
    if {Offboard, Purge, Provision} & set(kinds):
        assert start.role is not Role.BYSTANDER
    if Provision in kinds:
        assert start.role is Role.OWNER
        assert not leaving
        assert not is_ended(first)
    if Purge in kinds:
        assert start.tenant is not None
        assert not start.tenant.spec.deletion_protection
        explicit = deleted and first.spec.deletion_policy is DeletionPolicy.DELETE
        away = is_ended(first) or wanted_state(at) is TenantState.OFFBOARDED
        assert explicit or (away and purge_due(start))
    if DropCredentials in kinds:
        assert is_ended(first) or deleted
    if is_paused(start) and not deleted:
        assert not steps
    if is_paused(start):
        assert not {Provision, Offboard, Purge} & set(kinds)
    assert max(kinds.count(kind) for kind in (Acknowledge, DropOldCredentials, Note, Provision, Offboard, Purge)) <= 1


def is_paused(at: Scope) -> bool:
    app, tenant = at.app, at.tenant
    return (
        at.installation.spec.paused
        or (app is not None and app.resource.spec.paused)
        or (tenant is not None and tenant.spec.paused)
    )


@given(scopes(), st.data())
@PATIENTLY
def test_no_answer_goes_out_without_a_verdict(start: Scope, data: st.DataObject) -> None:
    at, finish, steps = follow(start, data)
    sent = next((step for step in steps if isinstance(step, Send)), None)
    if sent is None or start.app is None:
        return
    request, approval = start.request, start.installation.spec.approval
    by_person = approval is not None and approval.event_id == request.event_id
    policy = start.app.resource.spec.approval
    if request.type is RequestType.UNINSTALL:
        assert sent.decision is Decision.APPROVE
        return
    if by_person and approval is not None and approval.decision is Decision.REJECT:
        assert sent.decision is Decision.REJECT or is_installed(at)
    if sent.decision is Decision.REJECT:
        broken = at.tenancy is not None and at.tenancy.state is TenancyState.FAILED
        assert by_person or policy.reject_when or policy.automatic or broken
        assert Provision not in map(type, steps) or broken
        assert not isinstance(finish, Finish) or not finish.ready or is_installed(at)
        if broken:
            assert policy.on_tenant_failure is OnTenantFailure.REJECT
    elif policy.mode is ApprovalMode.MANUAL and not by_person:
        assert policy.automatic is not None
    if sent.decision is Decision.APPROVE and start.role is Role.OWNER:
        assert at.tenancy is None or at.tenancy.state not in {TenancyState.FAILED, TenancyState.WAITING}


@given(scopes(), st.data())
@PATIENTLY
def test_an_install_that_talkdesk_has_is_never_rejected(start: Scope, data: st.DataObject) -> None:
    world, at = World(data), start
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | Release):
            return
        if isinstance(step, Send) and step.decision is Decision.REJECT:
            assert not (is_installed(at) and at.request.type is RequestType.INSTALL)
        at = world.do(step, at)


@given(scopes(), st.data())
@PATIENTLY
def test_credentials_are_acknowledged_and_replaced_only_by_a_set_that_works(start: Scope, data: st.DataObject) -> None:
    world, at = World(data), start
    for _ in range(MOST_STEPS):
        step = decide(at)
        if isinstance(step, Finish | Release):
            return
        if isinstance(step, Acknowledge | DropOldCredentials):
            register = at.installation.spec.credentials
            assert register is not None
            assert isinstance(at.remote, RemoteInstallation)
            assert at.secret_name == register.secret_name
        if isinstance(step, DropOldCredentials):
            assert at.acknowledged is not AckState.FAILED
            assert not is_due(at) or at.acknowledged is AckState.DONE
        at = world.do(step, at)


@given(scopes(), st.data())
@PATIENTLY
def test_what_is_unfinished_is_looked_at_again_or_waits_for_something_that_is_watched(
    start: Scope, data: st.DataObject
) -> None:
    at, finish, _ = follow(start, data)
    if isinstance(finish, Release) or finish.ready or finish.settled:
        return
    status = noted(at, finish).status
    coming = finish.wake is not None or status.retry is not None
    if waits_for_answer(noted(at, finish)) and at.app is not None and at.failure is None:
        assert coming, "the deadline would pass unseen"
    watched = {Reason.NO_REQUEST, Reason.APP_NOT_FOUND, Reason.RENDER_FAILED, Reason.FOREIGN_HOST}
    assert coming or finish.reason in watched | {Reason.CREDENTIALS_MISSING, Reason.FORBIDDEN, Reason.UNAVAILABLE}


@given(scopes(), st.data())
@PATIENTLY
def test_the_same_facts_give_the_same_status_so_that_nothing_is_written(start: Scope, data: st.DataObject) -> None:
    at, finish, _ = follow(start, data)
    if isinstance(finish, Release):
        return
    once = noted(at, finish)
    again = compute(replace(at, installation=once), finish, jitter=1)
    assert again.model_copy(update={"retry": None}) == once.status.model_copy(update={"retry": None})


@given(scopes(), st.data())
@PATIENTLY
def test_no_installation_is_looked_at_over_and_over_without_a_pause(start: Scope, data: st.DataObject) -> None:
    at = start
    for _ in range(MOST_PASSES_AT_ONCE):
        end, finish, _ = follow(at, data)
        if isinstance(finish, Release) or finish.wake is None or finish.wake > end.now:
            return
        known = noted(end, finish)
        kept = None if end.tenancy is not None and end.tenancy.state is TenancyState.PURGED else end.tenant
        at = replace(start, installation=known, tenant=kept, answer=so_far(known))
    raise AssertionError(f"still at it: {finish}")


def test_a_failure_that_nobody_foresaw_has_a_message_and_a_pace() -> None:
    stopped = decide(scope(failure=Failure(Reason.INVALID_SPEC, "can't read it", Pace.NEVER)))
    assert isinstance(stopped, Finish)
    assert (stopped.stalled, stopped.message) == (True, "can't read it")
