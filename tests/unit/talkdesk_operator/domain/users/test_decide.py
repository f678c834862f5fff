from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.objects import installation, scope, tenant, view
from talkdesk_crds.app import SCIM_ATTRIBUTES
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import InstallationStatus, UsersStatus
from talkdesk_crds.names import ANNOTATION_KEEP_USERS
from talkdesk_operator.domain.ports.scim import Deactivate, Order, Person, Put, Ref
from talkdesk_operator.domain.ports.scim_errors import (
    ScimError,
    ScimForbidden,
    ScimMalformed,
    ScimRateLimited,
    ScimRefused,
    ScimTaken,
    ScimUnauthorized,
    ScimUnavailable,
)
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass, UsersOutcome
from talkdesk_operator.domain.users.decide import (
    deprovision,
    elsewhere_failure,
    fingerprint,
    former_users,
    is_up_to_date,
    keeps_users,
    leaving_failure,
    person_of,
    put_order,
    record_after,
    record_before,
    removed_users,
    scim_failure,
    users_failure,
    with_way_out,
)
from talkdesk_operator.domain.users.record import RecordedUser, UserRecord

SALT = "made-up-salt"


def user(**fields: Any) -> User:
    known: dict[str, Any] = {"id": "u1", "email": "ana@example.com", "name": "Ana", "active": True}
    return User(**(known | fields))


def person(**fields: Any) -> Person:
    return person_of(user(**fields), None, "somebody else")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "Ana"),
        ({"name": None}, "ana"),
        ({"name": " "}, "ana"),
        ({"name": None, "email": None}, "u1"),
        ({"name": None, "email": "@x"}, "u1"),
    ],
)
def test_where_everybody_needs_a_name_the_part_before_the_at_is_one(fields: dict[str, Any], name: str) -> None:
    assert person_of(user(**fields), None, None, always_named=True).name == name
    assert person_of(user(**fields), None, None).name == fields.get("name", "Ana")


def on_record(what: Person, **fields: Any) -> RecordedUser:
    return replace(RecordedUser(Ref("p1"), fingerprint(what, SALT), active=what.active, admin=what.admin), **fields)


def test_the_user_name_is_the_e_mail_address_or_else_the_id() -> None:
    assert person().user_name == "ana@example.com"
    nameless = person(email=None, name=None, active=None)
    assert (nameless.user_name, nameless.email, nameless.name, nameless.active) == ("u1", None, None, True)
    assert person(email="", name="").user_name == "u1"


def test_only_the_installing_user_is_admin() -> None:
    assert person_of(user(), None, "u1").admin
    assert not person_of(user(), None, "u2").admin


@pytest.mark.parametrize("marked", [True, False])
def test_the_recorded_admin_stays_while_the_installing_user_is_unknown(*, marked: bool) -> None:
    assert person_of(user(), RecordedUser(None, admin=marked), None).admin is marked
    assert not person_of(user(), None, None).admin


def test_the_repr_of_a_person_or_user_has_no_personal_data() -> None:
    assert "ana" not in repr(person()).lower()
    assert "ana" not in repr(user()).lower()


@pytest.mark.parametrize("change", [{"email": "b@example.com"}, {"name": "Anna"}, {"active": False}, {"id": "u2"}])
def test_a_fingerprint_changes_with_every_value(change: dict[str, Any]) -> None:
    assert fingerprint(person(), SALT) == fingerprint(person(), SALT)
    assert fingerprint(person(), SALT) != fingerprint(person(**change), SALT)
    assert fingerprint(person(), SALT) != fingerprint(person(), "other")
    assert fingerprint(person(), SALT) != fingerprint(replace(person(), admin=True), SALT)


def test_a_fingerprint_changes_with_the_attributes_that_are_sent_and_not_with_their_order() -> None:
    assert fingerprint(person(), SALT) == fingerprint(replace(person(), attributes=SCIM_ATTRIBUTES[::-1]), SALT)
    assert fingerprint(person(), SALT) != fingerprint(replace(person(), attributes=SCIM_ATTRIBUTES[1:]), SALT)


def test_what_a_service_says_with_a_400_names_the_place_where_an_app_says_what_is_sent() -> None:
    refused = users_failure([ScimRefused("no", kind="400 invalidValue")])
    assert refused is not None
    assert "users.scim.attributes" in refused.message
    taken = users_failure([ScimRefused("no", kind="409")])
    assert taken is not None
    assert "attributes" not in taken.message


@given(st.text(max_size=200).filter(lambda text: text.isprintable() and text.isascii()))
def test_a_fingerprint_takes_salts_of_any_length(salt: str) -> None:
    assert len(fingerprint(person(), salt)) == 24


@pytest.mark.parametrize(
    ("wanted", "known", "up_to_date"),
    [
        (person(), None, False),
        (person(), RecordedUser(None, failed_before=True), False),
        (person(), on_record(person(), ref=None), False),
        (person(), on_record(person()), True),
        (person(active=False), on_record(person(active=False)), True),
        (person(email="new@example.com"), on_record(person()), False),
        (person(), on_record(person(), sent=""), False),
        (person(active=False), on_record(person()), False),
        (person(), on_record(person(active=False)), False),
        (person(), on_record(person(), sent="", active=False), False),
    ],
)
def test_a_user_is_up_to_date_only_when_the_service_has_exactly_what_would_be_sent(
    wanted: Person,
    known: RecordedUser | None,
    up_to_date: bool,  # noqa: FBT001 - a table
) -> None:
    assert is_up_to_date(known, fingerprint(wanted, SALT)) is up_to_date


def test_roles_set_at_the_service_stay_unless_the_admin_changes() -> None:
    assert put_order(person(), None) == Put(person(), None, roles=True)
    assert put_order(person(), None).external_id == "u1"
    assert put_order(person(), RecordedUser(None)).roles, "never seen there"
    assert not put_order(person(email="b@example.com"), on_record(person())).roles
    assert put_order(replace(person(), admin=True), on_record(person())) == Put(
        replace(person(), admin=True), Ref("p1"), roles=True
    )


@pytest.mark.case(50)
@pytest.mark.parametrize(
    ("order", "before", "worst"),
    [
        (Put(person(), None), None, RecordedUser(None, "", active=True, admin=None)),
        (Put(person(active=False), None), None, RecordedUser(None, "", active=False, admin=None)),
        (
            Put(person(active=False), Ref("p1"), roles=False),
            RecordedUser(Ref("p1"), "s", active=True, admin=True),
            RecordedUser(Ref("p1"), "", active=True, admin=True),
        ),
        (
            Put(person(), Ref("p1"), roles=False),
            RecordedUser(Ref("p1"), "s", active=False, failed_before=True),
            RecordedUser(Ref("p1"), "", active=True, failed_before=True),
        ),
        (
            Deactivate("u1", Ref("p1")),
            RecordedUser(Ref("p1"), "s", active=True),
            RecordedUser(Ref("p1"), "", active=True),
        ),
    ],
)
def test_the_record_assumes_the_worst_before_an_order(
    order: Order, before: RecordedUser | None, worst: RecordedUser
) -> None:
    assert record_before(order, before) == worst


def test_an_uncertain_admin_role_is_sent_again() -> None:
    assert put_order(person(), on_record(person(), admin=None)).roles
    assert not person_of(user(), RecordedUser(None, admin=None), None).admin


def test_a_completed_order_is_recorded() -> None:
    done = Put(person(), Ref("p9", 'W/"2"'))
    assert record_after(person(), done, "s") == RecordedUser(
        Ref("p9", 'W/"2"'), "s", active=True, admin=False, failed_before=False
    )


@pytest.mark.case(60)
def test_users_who_left_the_list_are_deactivated_once() -> None:
    record = UserRecord("s", SALT)
    record.put("stays", RecordedUser(Ref("p1"), active=True))
    record.put("left", RecordedUser(Ref("p2", "v"), active=True))
    record.put("left long ago", RecordedUser(Ref("p3"), active=False))
    record.put("may have come", RecordedUser(None, active=True))
    record.put("never came", RecordedUser(None))
    record.put("in trouble", RecordedUser(Ref("p4"), active=True, failed_before=True))
    listed = {"stays", "new"}
    assert list(removed_users(record, listed, failed_before=False)) == [
        Deactivate("left", Ref("p2", "v")),
        Deactivate("may have come", None),
    ]
    assert list(removed_users(record, listed, failed_before=True)) == [Deactivate("in trouble", Ref("p4"))]


def test_only_who_is_neither_on_the_list_nor_active_has_certainly_left() -> None:
    record = UserRecord("s", SALT)
    record.put("stays", RecordedUser(Ref("p1")))
    record.put("may be active", RecordedUser(Ref("p2"), active=True))
    record.put("left", RecordedUser(Ref("p3")))
    assert former_users(record, {"stays"}) == {"left"}


@pytest.mark.parametrize(
    ("error", "reason", "retry_class"),
    [
        (ScimRateLimited("m", retry_after=timedelta(seconds=9)), Reason.SCIM_UNAVAILABLE, RetryClass.TRANSIENT),
        (ScimMalformed("m"), Reason.SCIM_UNAVAILABLE, RetryClass.TRANSIENT),
        (ScimUnauthorized("m"), Reason.USERS_FAILED, RetryClass.SLOW),
        (ScimForbidden("m"), Reason.USERS_FAILED, RetryClass.SLOW),
    ],
)
def test_an_error_of_the_whole_service_becomes_a_failure(
    error: ScimError, reason: Reason, retry_class: RetryClass
) -> None:
    failure = scim_failure(error)
    assert (failure.reason, failure.retry_class, failure.message) == (reason, retry_class, "m")
    assert failure.retry_after == getattr(error, "retry_after", None)


def test_refused_users_are_counted_by_kind_and_retried_at_the_next_resync() -> None:
    errors = [ScimRefused("m", kind="400 invalidValue")] * 2 + [ScimTaken("m", kind="409 uniqueness")]
    failure = users_failure(errors)
    assert failure is not None
    assert (failure.reason, failure.retry_class) == (Reason.USERS_FAILED, RetryClass.TERMINAL)
    assert "3 users: 400 invalidValue (2), 409 uniqueness (1)" in failure.message


def test_transient_errors_are_retried_soon_but_not_before_the_requested_delay() -> None:
    waits = [timedelta(seconds=1), None, timedelta(seconds=5)]
    errors: list[ScimError] = [ScimUnavailable("m", kind="503", retry_after=wait) for wait in waits]
    failure = users_failure([*errors, ScimRefused("m", kind="400")])
    assert failure is not None
    assert (failure.reason, failure.retry_class, failure.retry_after) == (
        Reason.SCIM_UNAVAILABLE,
        RetryClass.TRANSIENT,
        timedelta(seconds=5),
    )
    only = users_failure([ScimUnavailable("m", kind="503")])
    assert only is not None
    assert only.retry_after is None
    assert "one user" in only.message
    assert "503 (1)" in only.message


def test_without_errors_there_is_no_failure() -> None:
    assert users_failure([]) is None


@pytest.mark.case(74)
def test_what_the_service_refuses_to_deactivate_is_retried_too() -> None:
    refused = leaving_failure([ScimRefused("m", kind="400")])
    assert refused is not None
    assert (refused.reason, refused.retry_class) == (Reason.USERS_FAILED, RetryClass.SLOW)
    transient = leaving_failure([ScimUnavailable("m", kind="503")])
    assert transient is not None
    assert transient.retry_class is RetryClass.TRANSIENT
    assert leaving_failure([]) is None


WITH_SCIM = view(
    users={"scim": {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}}
)
RELEASED = tenant().model_copy(
    update={"metadata": tenant().metadata.model_copy(update={"annotations": {ANNOTATION_KEEP_USERS: "true"}})}
)


@pytest.mark.case(74)
def test_users_stay_where_there_is_no_service_or_somebody_wants_it_so() -> None:
    assert keeps_users(view(), None)
    assert keeps_users(view(users={}), tenant())
    assert not keeps_users(WITH_SCIM, tenant())
    assert not keeps_users(WITH_SCIM, None)
    assert keeps_users(WITH_SCIM, RELEASED)
    assert deprovision(scope(app=WITH_SCIM, tenant=RELEASED)) is None


@pytest.mark.case(74)
@pytest.mark.parametrize(
    ("known", "done"),
    [
        (None, False),
        (UsersStatus(licensed=0), True),
        (UsersStatus(licensed=0, failed=1), False),
        (UsersStatus(licensed=1), False),
        (UsersStatus(licensed=0, complete=False), False),
    ],
)
def test_the_work_is_over_only_when_nobody_is_left(known: UsersStatus | None, *, done: bool) -> None:
    at = scope(app=WITH_SCIM, installation=installation(status=InstallationStatus(users=known)))
    assert (deprovision(at) is None) is done


@pytest.mark.case(74)
def test_a_person_is_told_what_to_do_about_users_who_will_never_be_inactive() -> None:
    failing = with_way_out(UsersOutcome(0, failure=Failure(Reason.USERS_FAILED, "no", RetryClass.SLOW)))
    assert failing.failure is not None
    assert ANNOTATION_KEEP_USERS in failing.failure.message
    assert failing.message == failing.failure.message
    unfinished = UsersOutcome(0, done=False)
    assert with_way_out(unfinished) is unfinished


@pytest.mark.case(74)
@pytest.mark.parametrize(("count", "words"), [(1, "one user may"), (3, "3 users may")])
def test_users_at_an_earlier_address_hold_up_a_customer_who_leaves_and_are_told_of_one_who_stays(
    count: int, words: str
) -> None:
    assert elsewhere_failure(0, leaving=True) is None
    for leaving, retried in ((True, RetryClass.SLOW), (False, RetryClass.TERMINAL)):
        failure = elsewhere_failure(count, leaving=leaving)
        assert failure is not None
        assert (failure.reason, failure.retry_class) == (Reason.USERS_FAILED, retried)
        assert failure.message.startswith(words)
