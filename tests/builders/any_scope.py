"""Hypothesis strategies for every scope with which a reconcile may begin."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from builders.objects import (
    EVENT,
    NOON,
    answer,
    condition,
    credentials_object,
    current_tenant,
    decided,
    endpoint_object,
    failure,
    installation,
    retry,
    scope,
    tenant,
    trial_object,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import (
    AccountFacts,
    Answer,
    CredentialsStatus,
    Decision,
    DeletionPolicy,
    Ending,
    EndingReason,
    InstallationStatus,
    RequestType,
    TalkdeskInstallation,
    TrialState,
    TrialStatus,
    UsersStatus,
)
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.reconcile.scope import (
    FaultOwner,
    RetryClass,
    Role,
    Scope,
)

DAY = timedelta(days=1)
RULES = [{"expression": "account.name == 'acme'", "reason": "not for you"}]
SCIM = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}
OFFBOARD = {"trial": {"onEnd": "Offboard"}, "license": {"onSuspended": "Offboard", "onRevoked": "Offboard"}}
KEEP = {"trial": {"onEnd": "Keep"}, "license": {"onSuspended": "Keep", "onRevoked": "Keep"}}
APPS = [
    view(),
    view(),
    view(uninstall={"approvalTiming": "BeforeOffboard"}),
    view(approval={"mode": "Manual"}),
    view(approval={"mode": "Manual", "automatic": {"decision": "Approve", "beforeDeadline": "2d"}}),
    view(approval={"mode": "Manual", "automatic": {"decision": "Reject", "beforeDeadline": "1h"}}, **OFFBOARD),
    view(approval={"rejectWhen": RULES}),
    view(approval={"rejectWhen": [{"expression": "account.name", "reason": "no rule"}]}),
    view(approval={"onTenantFailure": "Reject"}, users={}),
    view(users={"scim": SCIM}, **OFFBOARD),
    view(users={"scim": SCIM}, uninstall={"approvalTiming": "BeforeOffboard"}, **KEEP),
    view(**OFFBOARD),
    view(paused=True),
    view(notifications=[endpoint_object()]),
    None,
]
WORDS = ["installing", "pending", "completed", "rejected", "timeout", "suspended", "revoked", "martian", ""]
REQUEST_STATES = ["updating", "uninstalling", "uninstalled"]
SECRETS = ["keys-1", "keys-2", None]
MOMENTS = st.sampled_from([NOON - 30 * DAY, NOON - 7 * DAY, NOON - DAY, NOON, NOON + DAY])
FAILURES = st.builds(
    failure,
    st.sampled_from([Reason.UNAVAILABLE, Reason.FORBIDDEN, Reason.CREDENTIALS_REFUSED, Reason.FOREIGN_HOST]),
    st.sampled_from(RetryClass),
)
TRUTHS = ["True", "False"]
RETAINED = condition(ConditionType.READY, "False", Reason.RETAINED)
STUCK = failure(Reason.CREDENTIALS_LOST, RetryClass.SLOW), failure(Reason.CREDENTIALS_MISSING, RetryClass.TERMINAL)
REFUSED = failure(Reason.APPLY_REFUSED, RetryClass.SLOW)
UNRENDERABLE = failure(Reason.RENDER_FAILED, RetryClass.TERMINAL, fault=FaultOwner.CUSTOMER)


@st.composite
def statuses(draw: st.DrawFn) -> InstallationStatus:
    """Any status, of the current request or an earlier one."""
    event = st.sampled_from([EVENT, "event-0"])
    ending = st.builds(
        lambda *a: Ending(reason=a[0], event_id=a[1], time=a[2]), st.sampled_from(EndingReason), event, MOMENTS
    )
    answers = st.builds(answer, event=event, sent=st.booleans(), delivered=st.booleans())
    reasons = st.sampled_from([Reason.NOT_FOUND_ONCE, Reason.UNAVAILABLE])
    known = st.sampled_from([Reason.SUCCEEDED, Reason.CREDENTIALS_LOST, Reason.CREDENTIALS_DELETED])
    valid = st.builds(condition, st.just(ConditionType.CREDENTIALS_VALID), st.just("False"), known)
    judged = st.builds(
        condition, st.sampled_from([ConditionType.IN_SYNC, ConditionType.DEADLINE_NEAR]), st.sampled_from(TRUTHS)
    )
    return InstallationStatus(
        answer=draw(st.none() | answers),
        ending=draw(st.none() | ending),
        retry=draw(st.none() | st.builds(retry, reasons, MOMENTS)),
        account=draw(st.sampled_from([None, AccountFacts(id="acc-1", name="acme")])),
        conditions=draw(st.sampled_from([(), (draw(valid),), (draw(judged),)])),
        talkdesk_state=draw(st.sampled_from([None, None, "suspended", "revoked"])),
        trial=draw(st.none() | st.builds(trial_on_record, st.sampled_from(TrialState), MOMENTS)),
        users=draw(st.sampled_from([None, UsersStatus(licensed=3), UsersStatus(licensed=3, complete=False)])),
        credentials=draw(st.none() | st.builds(used, st.sampled_from(SECRETS), st.sampled_from([None, "rotation-1"]))),
    )


def trial_on_record(state: TrialState, at: datetime) -> TrialStatus:
    return TrialStatus(
        state=state, last_transition_time=at, ended_reason="trial_expired" if state is TrialState.ENDED else None
    )


def used(secret: str | None, acknowledged: str | None) -> CredentialsStatus:
    return CredentialsStatus(key_id="key-1", secret_name=secret, acknowledged_event_id=acknowledged)


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
        status=TenantStatus(purge_time=draw(st.none() | MOMENTS), conditions=draw(st.sampled_from([(), (RETAINED,)]))),
        paused=draw(st.integers(0, 9)) == 0,
        purge={"requestedBy": "sam"} if state is TenantState.OFFBOARDED and draw(st.booleans()) else None,
        deletionProtection=draw(st.booleans()),
        uninstallTime=draw(st.sampled_from([None, to_wire_time(NOON), to_wire_time(NOON - DAY)])),
    )
    current = [current_tenant(of)] if of.app is not None else []
    return draw(st.sampled_from([None, made, *current]))


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """Any scope with which a reconcile may begin."""
    known = scope(
        app=draw(st.sampled_from(APPS)),
        installation=draw(installations()),
        role=draw(st.sampled_from(Role)),
        resync=draw(st.booleans()),
        drifted=draw(st.booleans()),
    )
    return replace(known, tenant=draw(tenants(known)), answer=so_far(known.installation))


def so_far(known: TalkdeskInstallation) -> Answer | None:
    request, answers = known.spec.request, known.status.answer
    return answers if request is not None and answers is not None and answers.event_id == request.event_id else None
