"""What holds for every pass over every installation, whatever the cluster and Talkdesk make of its steps."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.objects import (
    EVENT,
    NOON,
    answer,
    condition,
    credentials,
    current_tenant,
    facts,
    failure,
    installation,
    remote,
    retry,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import (
    AccountFacts,
    Answer,
    Decision,
    DeletionPolicy,
    Ending,
    EndingKind,
    InstallationStatus,
    RequestType,
    TalkdeskInstallation,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.deadlines import is_closed, is_ended, waits_for_answer
from talkdesk_operator.domain.lifecycle import decide
from talkdesk_operator.domain.scope import (
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
)
from talkdesk_operator.domain.status import compute
from talkdesk_operator.domain.steps import (
    Announce,
    DropCredentials,
    Erase,
    Finish,
    Offboard,
    Provision,
    Purge,
    ReadCredentials,
    ReadTalkdesk,
    Release,
    Send,
    Step,
)
from talkdesk_operator.domain.tenancy import purge_due

MOST_STEPS = 40
MOST_PASSES_AT_ONCE = 4
PATIENTLY = settings(deadline=None)  # a busy machine is no fault
DAY = timedelta(days=1)
APPS = [view(), view(), view(uninstall={"approve": "BeforeOffboard"}), None]
WORDS = ["installing", "pending", "completed", "rejected", "timeout", "suspended", "revoked", "martian", ""]
MOMENTS = st.sampled_from([NOON - 30 * DAY, NOON - 7 * DAY, NOON - DAY, NOON, NOON + DAY])
FAILURES = st.builds(
    failure,
    st.sampled_from([Reason.UNAVAILABLE, Reason.FORBIDDEN, Reason.CREDENTIALS_REFUSED, Reason.FOREIGN_HOST]),
    st.sampled_from(Pace),
)
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
    return InstallationStatus(
        answer=draw(st.none() | told),
        ending=draw(st.none() | ending),
        retry=draw(st.none() | st.builds(retry, reasons, MOMENTS)),
        account=draw(st.sampled_from([None, AccountFacts(id="acc-1", name="acme")])),
        conditions=draw(st.sampled_from([(), (draw(valid),)])),
    )


@st.composite
def installations(draw: st.DrawFn) -> TalkdeskInstallation:
    meta: dict[str, Any] = {"deletionTimestamp": draw(st.sampled_from([None, None, None, to_wire_time(NOON)]))}
    if draw(st.integers(0, 9)) == 0:
        meta["finalizers"] = []
    return installation(
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
        draw(st.sampled_from([TenantState.ACTIVE, TenantState.OFFBOARDED])),
        status=TenantStatus(purge_after=draw(st.none() | MOMENTS)),
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
        self._changes = 1

    def do(self, step: Step, at: Scope) -> Scope:
        if self._draw(st.integers(0, 19)) == 0:
            return replace(at, failure=failure(Reason.CLUSTER_UNAVAILABLE))
        match step:
            case ReadCredentials():
                found = st.just(credentials()) | st.builds(CredentialsMissing, st.sampled_from(STUCK))
                return replace(at, credentials=self._draw(found))
            case ReadTalkdesk(facts=wanted):
                seen = self._talkdesk()
                return replace(at, remote=seen, facts=facts() if wanted else at.facts)
            case Provision():
                return self._tenant(at, TenantState.ACTIVE, TenancyState.READY, TenancyState.WAITING)
            case Offboard():
                return self._tenant(at, TenantState.OFFBOARDED, TenancyState.OFFBOARDED, TenancyState.DELETING)
            case Purge():
                return self._tenant(at, TenantState.OFFBOARDED, TenancyState.PURGED, TenancyState.DELETING)
            case Announce():
                told = answer(delivered=False)
                status = at.installation.status.model_copy(update={"answer": told})
                return replace(at, answer=told, installation=at.installation.model_copy(update={"status": status}))
            case Send():
                return self._send(at)
            case DropCredentials():
                return replace(at, credentials_dropped=True)
            case Erase():
                return replace(at, erased=True)
            case Release() | Finish():
                raise AssertionError("ends the pass")

    def _talkdesk(self) -> Any:
        standing = st.builds(remote, st.sampled_from(WORDS), updated_at=st.none() | MOMENTS)
        refused = st.builds(RemoteRefused, FAILURES)
        return self._draw(standing | standing | st.just(RemoteMissing("not found")) | refused)

    def _tenant(self, at: Scope, state: TenantState, good: TenancyState, slow: TenancyState) -> Scope:
        came = self._draw(st.sampled_from([good, good, slow, TenancyState.FAILED]))
        how = [REFUSED, UNRENDERABLE] if state is TenantState.ACTIVE else [REFUSED]
        bad = self._draw(st.sampled_from(how)) if came is TenancyState.FAILED else None
        spec = (at.tenant or tenant()).spec.model_copy(update={"state": state, "uninstalled_at": NOON})
        return replace(
            at,
            tenant=(at.tenant or tenant()).model_copy(update={"spec": spec}),
            tenancy=Tenancy(came, "so it is", bad, NOON - timedelta(seconds=8)),
        )

    def _send(self, at: Scope) -> Scope:
        came = self._draw(st.sampled_from(SendState))
        if came is SendState.OUTDATED and not self._changes:
            came = SendState.DELIVERED
        match came:
            case SendState.DELIVERED:
                again = at.request.type is RequestType.UNINSTALL
                told = (at.answer or answer()).model_copy(update={"at": NOON})
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
    _, _, steps = follow(start, data)
    first, kinds = start.installation, [type(step) for step in steps]
    leaving = first.spec.request is not None and first.spec.request.type is RequestType.UNINSTALL
    deleted = first.metadata.deletion_timestamp is not None
    assert kinds.count(Send) <= 1
    if Send in kinds:
        assert waits_for_answer(first) or (leaving and not is_closed(first))
        assert ReadTalkdesk in kinds[: kinds.index(Send)]
        assert not leaving or (start.answer is not None and start.answer.sent_at) or Announce in kinds
        assert all(s.decision is Decision.APPROVE for s in steps if isinstance(s, Send))
    if {Offboard, Purge, Provision} & set(kinds):
        assert start.role is not Role.BYSTANDER
    if Provision in kinds:
        assert start.role is Role.OWNER
        assert not leaving
        assert not is_ended(first)
    if Offboard in kinds:
        assert leaving or is_ended(first)
    if Purge in kinds:
        assert start.tenant is not None
        assert not start.tenant.spec.deletion_protection
        explicit = deleted and first.spec.deletion_policy is DeletionPolicy.DELETE
        assert explicit or (is_ended(first) and purge_due(start))
    if DropCredentials in kinds:
        assert is_ended(first) or deleted
    if first.spec.paused and not deleted:
        assert not steps


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
