"""What a tenant should be, what its template sees, and whether it is so already."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders.objects import (
    NOON,
    answered,
    condition,
    current_tenant,
    facts,
    installation,
    request_object,
    scope,
    tenant,
    view,
)
from talkdesk_crds.conditions import ConditionType, Reason
from talkdesk_crds.installation import AccountFacts, SubscriptionFacts
from talkdesk_crds.tenant import InventoryItem, TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.reconcile.scope import Scope, TenantOutcome, TenantResult
from talkdesk_operator.domain.tenant.desired import (
    inputs_digest,
    is_current,
    is_protected,
    is_purge_due,
    next_poll,
    offboard_timed_out,
    orphan_purge_at,
    purge_time,
    retention_ends,
    settled_name,
    template_context,
    unclaimed_context,
)
from talkdesk_operator.templates.variables import MEMBERS

DAY = timedelta(days=1)


MADE = InventoryItem(step="base", version="v1", kind="ConfigMap", name="x", uid="made")


def test_facts_just_read_win_over_recorded_ones_and_these_over_those_of_events() -> None:
    written = installation(status=answered(account=AccountFacts(id="acc-1", name="written")))
    assert scope(installation=written, facts=facts(name="read")).best_known_facts.account.name == "read"
    assert scope(installation=written).best_known_facts.account.name == "written"
    assert scope().best_known_facts.account == AccountFacts(id="acc-1", name="acme")
    assert scope().best_known_facts.subscription == SubscriptionFacts()


def test_a_template_sees_every_fact_as_plain_json_with_null_for_what_is_unknown() -> None:
    context = template_context(scope(), view())
    # A template that uses another member is refused at the app. The client id comes with the credentials.
    assert {name: frozenset(members) for name, members in context.items()} == {
        name: members - {"clientId"} for name, members in MEMBERS.items() if name not in {"credentials", "request"}
    }
    assert json.loads(json.dumps(context)) == {
        "app": {"id": "app-1", "name": "sentiment", "namespace": "team", "region": "US"},
        "account": {"id": "acc-1", "name": "acme", "companyName": None, "timezone": None},
        "installation": {"id": "i1", "name": "sentiment-i1", "appVersion": None, "createdBy": None},
        "subscription": {"type": None, "name": None, "licenses": None},
        "trial": {"state": None, "expirationTime": None},
        "tenant": {"name": "", "state": "Active", "suspended": False, "values": {}},
        "sso": {
            "authorizationUrl": None,
            "tokenUrl": None,
            "jwksUrl": None,
            "userinfoUrl": None,
            "issuer": None,
            "scopes": ["openid", "apps:read", "apps:write", "account:read"],
        },
    }


def test_a_template_sees_request_trial_and_the_tenants_name() -> None:
    trial = {
        "state": "Started",
        "eventId": "t",
        "eventTime": "2026-03-01T12:00:00Z",
        "expirationTime": "2026-04-01T00:00:00Z",
    }
    made = installation(trial=trial, request=request_object(appVersion="1.4"))
    settled = tenant(status=TenantStatus(name="td-acc-1"))
    context = template_context(scope(installation=made, tenant=settled), view())
    assert context["installation"]["appVersion"] == "1.4"
    assert context["trial"] == {"state": "Started", "expirationTime": "2026-04-01T00:00:00Z"}
    assert context["tenant"]["name"] == "td-acc-1"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (TenantStatus(), ""),
        (TenantStatus(inventory=(MADE.model_copy(update={"uid": ""}),)), ""),
        (TenantStatus(inventory=(MADE,)), "td-acc-1"),
        (TenantStatus(name="td-before"), "td-before"),
        (TenantStatus(name="td-before", inventory=(MADE,)), "td-before"),
    ],
)
def test_a_tenant_keeps_its_name_once_an_object_was_applied_under_it(status: TenantStatus, expected: str) -> None:
    assert settled_name(tenant(status=status)) == expected


def test_a_trial_without_end_and_an_installation_without_request_leave_their_facts_null() -> None:
    made = installation(request=None, trial={"state": "Ended", "eventId": "t", "eventTime": "2026-03-01T12:00:00Z"})
    context = template_context(scope(installation=made), view())
    assert context["trial"] == {"state": "Ended", "expirationTime": None}
    assert context["installation"]["appVersion"] is None


def test_values_of_the_tenant_win_over_those_of_the_app() -> None:
    template = {"serviceAccountName": "p", "steps": [{"name": "s", "manifests": [{}]}], "values": {"a": 1, "b": 1}}
    seen = template_context(scope(tenant=tenant(values={"b": 2})), view(tenant=template))
    assert seen["tenant"]["values"] == {"a": 1, "b": 2}


@pytest.mark.case(59)
def test_the_account_id_is_the_specs_even_if_talkdesk_returns_another() -> None:
    assert template_context(scope(facts=facts(id="another")), view())["account"]["id"] == "acc-1"


READY = scope(installation=installation(status=answered()))


def ready_tenant(**status: Any) -> TalkdeskTenant:
    made = current_tenant(READY)
    return made.model_copy(update={"status": made.status.model_copy(update=status)})


def test_a_tenant_is_current_if_none_of_its_inputs_changed() -> None:
    assert is_current(replace(READY, tenant=ready_tenant()))


@pytest.mark.parametrize(
    "differs",
    [
        {"tenant": None},
        {"app": None},
        {
            "app": view(
                tenant={"serviceAccountName": "p", "steps": [{"name": "s", "manifests": [{}]}], "values": {"a": 1}}
            )
        },
        {"tenant": ready_tenant(applied_inputs="old")},
        {"tenant": ready_tenant(observed_generation=0)},
        {"tenant": ready_tenant(conditions=(condition(ConditionType.READY, "False"),))},
        {"tenant": ready_tenant(conditions=())},
        {"tenant": current_tenant(READY, state=TenantState.OFFBOARDED)},
        {"facts": facts(name="renamed")},
        {"installation": installation("sentiment-i2", status=answered())},
        {
            "installation": installation(
                status=answered(),
                credentials={"secretName": "keys-2", "eventId": "e", "eventTime": "2026-03-01T12:00:00Z"},
            )
        },
        {"installation": installation(status=answered(), credentials=None)},
    ],
    ids=lambda differs: next(iter(differs)),
)
def test_a_tenant_is_not_current_if_one_of_its_inputs_changed(differs: dict[str, Any]) -> None:
    assert not is_current(replace(replace(READY, tenant=ready_tenant()), **differs))


@pytest.mark.case(36)
def test_a_tenant_without_an_owner_is_not_current() -> None:
    made = ready_tenant()
    ownerless = made.model_copy(update={"spec": made.spec.model_copy(update={"installation_ref": None})})
    assert not is_current(replace(READY, tenant=ownerless))


def test_the_fingerprint_does_not_depend_on_whether_the_tenant_was_named_yet() -> None:
    assert inputs_digest(scope(), view()) == inputs_digest(scope(tenant=tenant()), view())
    assert len(inputs_digest(scope(), view())) == 32


@pytest.mark.case(40)
def test_retention_counts_from_the_end() -> None:
    assert purge_time(NOON, view(retention={"keepFor": "30d"})) == NOON + 30 * DAY
    assert purge_time(NOON.replace(year=9998), view(retention={"keepFor": "999999d"})).year == 9999


def offboarded(after: datetime | None, **spec: Any) -> Scope:
    return scope(tenant=tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=after), **spec))


@pytest.mark.case(40)
def test_a_purge_is_due_from_the_end_of_the_retention_and_not_before() -> None:
    assert is_purge_due(offboarded(NOON))
    assert not is_purge_due(offboarded(NOON + DAY))
    assert not is_purge_due(offboarded(None))
    assert not is_purge_due(scope())


@pytest.mark.case(36)
def test_a_tenant_in_use_is_never_due_for_a_purge() -> None:
    assert not is_purge_due(scope(tenant=tenant(status=TenantStatus(purge_time=NOON))))


def test_deletion_protection_forbids_the_purge() -> None:
    assert is_protected(scope(tenant=tenant(deletionProtection=True)))
    assert not is_protected(scope(tenant=tenant()))
    assert not is_protected(scope())


@pytest.mark.case(52)
def test_an_offboarding_times_out_after_the_apps_offboard_timeout() -> None:
    begun = tenant(TenantState.OFFBOARDED, uninstallTime="2026-03-01T12:00:00Z")
    assert not offboard_timed_out(scope(tenant=begun, now=NOON + timedelta(minutes=9)))
    assert offboard_timed_out(scope(tenant=begun, now=NOON + timedelta(minutes=10)))
    assert offboard_timed_out(scope(tenant=begun, app=view(uninstall={"offboardTimeout": "0s"})))
    assert not offboard_timed_out(scope(tenant=tenant()))
    assert not offboard_timed_out(scope())


@pytest.mark.parametrize(("age", "wait"), [(0, 1), (8, 2), (60, 15), (10**6, 30)])
def test_pending_objects_are_polled_often_at_first_and_then_less_often(age: int, wait: int) -> None:
    going = TenantOutcome(TenantResult.WAITING, started_at=NOON - timedelta(seconds=age))
    assert next_poll(going, NOON) == NOON + timedelta(seconds=wait)


def test_pending_objects_of_unknown_age_are_polled_soon() -> None:
    assert next_poll(TenantOutcome(TenantResult.WAITING), NOON) == NOON + timedelta(seconds=1)


SUSPENDED = installation(status=answered(talkdesk_state="suspended"))


@pytest.mark.case(42)
def test_a_template_sees_that_the_tenant_is_suspended() -> None:
    seen = template_context(scope(installation=SUSPENDED), view())["tenant"]
    assert (seen["state"], seen["suspended"]) == ("Suspended", True)
    away = template_context(scope(installation=SUSPENDED, app=view(license={"onSuspended": "Offboard"})), view())
    assert (away["tenant"]["state"], away["tenant"]["suspended"]) == ("Offboarded", False)


@pytest.mark.case(42)
def test_an_active_tenant_of_a_suspended_customer_is_not_current() -> None:
    at = scope(installation=SUSPENDED)
    assert not is_current(replace(at, tenant=current_tenant(at)))
    assert is_current(replace(at, tenant=current_tenant(at, state=TenantState.SUSPENDED)))


def test_a_template_sees_where_its_users_sign_on() -> None:
    endpoints = {"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}
    made = installation(endpoints=endpoints)
    sso = template_context(scope(installation=made), view(auth={"scopes": ["openid", "apps:read"]}))["sso"]
    assert sso == {
        "authorizationUrl": None,
        "tokenUrl": "https://acme.talkdeskid.com/oauth/token",
        "jwksUrl": "https://acme.talkdeskid.com/oauth/certs",
        "userinfoUrl": "https://api.talkdeskapp.com/users/me",
        "issuer": "https://acme.talkdeskid.com",
        "scopes": ["openid", "apps:read"],
    }
    both = installation(endpoints=endpoints | {"authorization": "https://sso.talkdeskid.com:8443/oauth/authorize"})
    sso = template_context(scope(installation=both), view())["sso"]
    assert sso["issuer"] == "https://sso.talkdeskid.com:8443"
    assert sso["authorizationUrl"] == "https://sso.talkdeskid.com:8443/oauth/authorize"
    assert sso["jwksUrl"] == "https://sso.talkdeskid.com:8443/oauth/certs"


@pytest.mark.case(74)
def test_an_address_that_no_parser_reads_is_shown_as_it_is_and_has_no_issuer() -> None:
    made = installation(endpoints=dict.fromkeys(("api", "token", "authorization"), "http://[:.]/x"))
    sso = template_context(scope(installation=made), view())["sso"]
    assert (sso["authorizationUrl"], sso["issuer"], sso["jwksUrl"]) == ("http://[:.]/x", None, None)


@pytest.mark.case(24)
def test_the_fingerprint_depends_on_the_credential_version_in_use() -> None:
    other = scope(secret_name="keys-0")
    assert inputs_digest(other, view()) != inputs_digest(scope(), view())
    assert inputs_digest(scope(secret_name="keys-1"), view()) == inputs_digest(scope(), view())


def suspended_and_offboarded(
    after: datetime | None = NOON + DAY, reason: Reason = Reason.RETAINED, **spec: Any
) -> Scope:
    """A suspended customer whom the policy offboards."""
    known = TenantStatus(purge_time=after, conditions=(condition(ConditionType.READY, "False", reason),))
    made = tenant(TenantState.OFFBOARDED, status=known, **spec)
    return scope(installation=SUSPENDED, app=view(license={"onSuspended": "Offboard"}), tenant=made)


@pytest.mark.case(42)
def test_an_offboarded_tenant_is_current_until_its_retention_ends() -> None:
    assert is_current(suspended_and_offboarded())
    assert is_current(suspended_and_offboarded(None))
    assert not is_current(suspended_and_offboarded(NOON))
    assert is_current(suspended_and_offboarded(NOON, deletionProtection=True))
    assert not is_current(suspended_and_offboarded(reason=Reason.OFFBOARDING))
    assert is_current(replace(suspended_and_offboarded(), tenant=None))
    assert not is_current(replace(suspended_and_offboarded(), tenant=tenant()))
    assert not is_current(replace(suspended_and_offboarded(), tenant=tenant(TenantState.OFFBOARDED)))


@pytest.mark.case(41)
def test_a_requested_purge_ends_a_retention_but_not_a_tenant_in_use() -> None:
    purge = {"requestedBy": "sam"}
    assert is_purge_due(offboarded(NOON + DAY, purge=purge))
    assert is_purge_due(offboarded(None, purge=purge))
    assert not is_purge_due(scope(tenant=tenant(purge=purge)))
    assert not is_current(suspended_and_offboarded(purge=purge))
    assert retention_ends(tenant(TenantState.OFFBOARDED, status=TenantStatus(purge_time=NOON))) == NOON
    assert retention_ends(tenant(status=TenantStatus(purge_time=NOON))) is None


def test_a_deleted_record_that_speaks_of_no_object_needs_no_retention() -> None:
    made = tenant()
    gone = made.model_copy(update={"metadata": made.metadata.model_copy(update={"deletion_timestamp": NOON})})
    ends = retention_ends(gone)
    assert ends is not None
    assert ends < NOON


@pytest.mark.case(40, 44)
def test_an_orphaned_tenant_is_purged_after_its_retention_unless_protected_or_paused() -> None:
    kept = TenantStatus(purge_time=NOON)
    assert orphan_purge_at(view(), tenant(TenantState.OFFBOARDED, status=kept), NOON) == NOON
    assert orphan_purge_at(view(), tenant(status=kept), NOON) is None
    assert orphan_purge_at(view(), tenant(TenantState.OFFBOARDED, status=kept, deletionProtection=True), NOON) is None
    assert orphan_purge_at(view(), tenant(TenantState.OFFBOARDED, status=kept, paused=True), NOON) is None
    assert orphan_purge_at(view(paused=True), tenant(TenantState.OFFBOARDED, status=kept), NOON) is None


def test_a_tenant_without_an_installation_has_the_same_variables() -> None:
    known, known_app = tenant(values={"a": 1}), view()
    context = unclaimed_context(known, known_app)
    whole = template_context(scope(tenant=known), known_app)
    assert context.keys() == whole.keys()
    for name, members in whole.items():
        assert context[name].keys() == members.keys(), name
    assert (context["account"]["id"], context["tenant"]["name"]) == ("acc-1", "td-acc-1")
    assert context["tenant"]["values"] == {"a": 1}
