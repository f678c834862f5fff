"""Bringing users to a service: what is done when, with services and records in memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from builders.objects import view
from builders.scim import (
    CANARIES,
    RecordsInMemory,
    ScimInMemory,
    SecretsInMemory,
    app_with_scim,
    pages,
    user,
    users,
)
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Failed, NotStarted, Order, Put, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import (
    ScimCircuitOpen,
    ScimError,
    ScimNotFound,
    ScimRateLimited,
    ScimRefused,
    ScimTaken,
    ScimUnauthorized,
    ScimUnavailable,
)
from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnavailable, User
from talkdesk_operator.domain.reconcile.scope import CompiledApp, RetryClass, UsersOutcome
from talkdesk_operator.domain.users.record import MAX_ID_BYTES
from talkdesk_operator.reconcilers.users.sync import UserSync
from talkdesk_runtime.kube_errors import KubeUnreachable

CONTEXT: dict[str, Any] = {
    "tenant": {"name": "td-acme"},
    "account": {"name": "acme"},
    "credentials": {"clientSecret": "canary"},
}
URL = "https://scim.example.com/${tenant.name}"


@dataclass
class Ticking:
    """Time of which each look takes some."""

    step: float = 0.0
    at: float = 0.0

    def __call__(self) -> float:
        self.at += self.step
        return self.at


@dataclass
class Partner:
    """Everything around a UserSync, of which there can be one after the other."""

    scim: ScimInMemory = field(default_factory=ScimInMemory)
    records: RecordsInMemory = field(default_factory=RecordsInMemory)
    secrets: SecretsInMemory = field(default_factory=SecretsInMemory)
    time: Ticking = field(default_factory=Ticking)
    app: CompiledApp = field(default_factory=lambda: app_with_scim(URL, allowInsecure=False))
    batch: int = 50

    @property
    def sync(self) -> UserSync:
        """A new one, as after a start."""
        return UserSync(self.secrets.read, self.records, self.scim, batch=self.batch, monotonic=self.time)

    async def bring(
        self, listed: Iterable[User], created_by: str | None = None, *, forget_elsewhere: bool = False, **how: Any
    ) -> UsersOutcome:
        listing = pages(listed, **how)
        outcome = await self.sync.sync(
            self.app, "acme", CONTEXT, listing, created_by, forget_elsewhere=forget_elsewhere
        )
        said = f"{outcome!r} {self.records.kept!r}".lower()
        assert not any(canary in said for canary in CANARIES), said
        return outcome

    async def deactivate_everybody(self) -> UsersOutcome:
        return await self.sync.deactivate_all(self.app, "acme", CONTEXT)

    def orders(self) -> list[Order]:
        given = [order for batch in self.scim.given for order in batch]
        self.scim.given.clear()
        return given


@pytest.fixture
def partner() -> Partner:
    return Partner()


def failing(error: ScimError, *numbers: int) -> Callable[[Order], Result]:
    ids = {user(number).id for number in numbers}
    return lambda order: Failed(error) if order.external_id in ids else Done(Ref(f"p-{order.external_id}"))


async def test_listed_users_are_created_once_and_cost_no_request_after_that(partner: Partner) -> None:
    first = await partner.bring(users(7))
    assert first == UsersOutcome(7, listed=True, synced=7, message="7 of 7 users are as they should be")
    assert len(partner.orders()) == 7
    saves = partner.records.saves
    assert await partner.bring(users(7)) == first
    assert partner.orders() == []
    assert partner.records.saves == saves


@pytest.mark.case(60)
async def test_an_edit_of_the_attributes_sends_every_user_again_with_these(partner: Partner) -> None:
    await partner.bring(users(3))
    partner.orders()
    names = ["externalId", "name.givenName", "name.familyName"]
    partner.app = app_with_scim(URL, allowInsecure=False, attributes=names)
    await partner.bring(users(3))
    assert [list(put.person.attributes) for put in partner.orders() if isinstance(put, Put)] == [names] * 3
    await partner.bring(users(3))
    assert partner.orders() == []


async def test_a_user_on_the_list_twice_is_one(partner: Partner) -> None:
    outcome = await partner.bring([user(1), user(2), user(1, name="B"), user(2)], size=2)
    assert (outcome.licensed, outcome.synced) == (2, 2)
    assert len(partner.orders()) == 2


@pytest.mark.case(60, 18)
async def test_a_user_who_leaves_the_list_is_deactivated_once_and_reactivated_on_return(partner: Partner) -> None:
    await partner.bring(users(3))
    partner.orders()
    left = await partner.bring(users(2))
    assert (left.licensed, left.synced, left.failed) == (2, 2, 0)
    assert partner.orders() == [Deactivate(user(3).id, Ref(f"p-{user(3).id}"))]
    await partner.bring(users(2))
    assert partner.orders() == []
    await partner.bring(users(3))
    (back,) = partner.orders()
    assert isinstance(back, Put)
    assert back.person.active
    assert back.ref == Ref(f"p-{user(3).id}")


async def test_a_changed_e_mail_address_updates_the_same_user(partner: Partner) -> None:
    await partner.bring(users(2))
    partner.orders()
    await partner.bring([user(1, email="canary-new@example.com"), user(2)])
    (order,) = partner.orders()
    assert isinstance(order, Put)
    assert order.ref == Ref(f"p-{user(1).id}")
    assert order.person.user_name == order.person.email == "canary-new@example.com"
    assert not order.roles


async def test_the_installing_user_is_admin_and_roles_are_sent_only_when_that_changes(partner: Partner) -> None:
    await partner.bring(users(2), created_by=user(1).id)
    assert [order.person.admin for order in partner.orders() if isinstance(order, Put)] == [True, False]
    await partner.bring(users(2), created_by=None)
    assert partner.orders() == []
    await partner.bring(users(2), created_by=user(2).id)
    orders = [order for order in partner.orders() if isinstance(order, Put)]
    assert [(order.person.admin, order.roles) for order in orders] == [(False, True), (True, True)]


async def test_a_user_who_is_inactive_at_talkdesk_is_inactive_at_the_service(partner: Partner) -> None:
    outcome = await partner.bring([user(1, active=False), user(2, active=None)])
    assert (outcome.licensed, outcome.synced) == (2, 2)
    assert [order.person.active for order in partner.orders() if isinstance(order, Put)] == [False, True]


async def test_a_refused_user_does_not_hold_up_others_and_is_tried_again(partner: Partner) -> None:
    partner.scim.answer = failing(ScimTaken("m", kind="409"), 1)
    outcome = await partner.bring(users(3))
    assert (outcome.licensed, outcome.synced, outcome.failed, outcome.done) == (3, 2, 1, True)
    assert outcome.partial_failure is not None
    assert (outcome.partial_failure.reason, outcome.partial_failure.retry_class) == (
        Reason.USERS_FAILED,
        RetryClass.TERMINAL,
    )
    assert outcome.message == outcome.partial_failure.message == "the SCIM service refuses one user: 409 (1)"
    partner.orders()
    partner.scim.answer = failing(ScimTaken("m"))
    assert (await partner.bring(users(3))).partial_failure is None
    assert [order.external_id for order in partner.orders()] == [user(1).id]


async def test_only_some_of_many_failed_users_are_logged_and_only_by_id(partner: Partner) -> None:
    partner.scim.answer = failing(ScimTaken("a user is taken", kind="409"), *range(1, 31))
    with structlog.testing.capture_logs() as logged:
        outcome = await partner.bring(users(30))
    assert outcome.failed == 30
    assert len(logged) == 20
    assert logged[0] == {
        "event": "user.sync_failed",
        "log_level": "warning",
        "user": user(1).id,
        "error": "a user is taken",
    }


async def test_users_who_failed_before_come_last(partner: Partner) -> None:
    partner.batch = 1
    partner.scim.answer = failing(ScimRefused("m"), 1, 2)
    await partner.bring(users(4))
    partner.orders()
    await partner.bring(users(6))
    assert [order.external_id for order in partner.orders()] == [user(n).id for n in (5, 6, 1, 2)]


async def test_a_change_that_failed_half_way_is_sent_again_even_if_it_is_reverted(partner: Partner) -> None:
    await partner.bring(users(1))
    partner.scim.answer = failing(ScimUnavailable("m"), 1)
    outcome = await partner.bring([user(1, name="Ana B")])
    assert outcome.partial_failure is not None
    assert outcome.partial_failure.reason is Reason.SCIM_UNAVAILABLE
    partner.orders()
    partner.scim.answer = failing(ScimUnavailable("m"))
    await partner.bring(users(1))
    assert len(partner.orders()) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ScimUnauthorized("m"), Reason.USERS_FAILED),
        (ScimNotFound("m"), Reason.USERS_FAILED),
        (ScimRateLimited("m"), Reason.SCIM_UNAVAILABLE),
        (ScimCircuitOpen("m"), Reason.SCIM_UNAVAILABLE),
    ],
)
async def test_an_error_of_the_whole_service_ends_the_work_but_all_users_are_counted(
    partner: Partner, error: ScimError, reason: Reason
) -> None:
    partner.batch = 2
    partner.scim.error = error
    partner.scim.answer = lambda order: Done(Ref("p1")) if order.external_id == user(1).id else NotStarted()
    outcome = await partner.bring(users(9), size=3)
    assert (outcome.licensed, outcome.listed, outcome.synced) == (9, True, 1)
    assert outcome.failure is not None
    assert outcome.failure.reason is reason
    assert len(partner.scim.given) == 1
    (piece,) = await partner.records.load("team", "acme")
    assert {user_id: known.ref for user_id, known in piece.users.items()} == {
        user(1).id: Ref("p1"),
        user(2).id: None,
    }, "what was done before is on record"


async def test_a_list_that_breaks_off_deactivates_nobody(partner: Partner) -> None:
    await partner.bring(users(3))
    partner.orders()
    outcome = await partner.bring([user(4)], error=TalkdeskUnavailable("Talkdesk is away"))
    assert (outcome.licensed, outcome.listed, outcome.synced) == (1, False, 1)
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.UNAVAILABLE
    assert [order.external_id for order in partner.orders()] == [user(4).id]


async def test_a_call_ends_with_its_budget_and_the_next_one_continues(partner: Partner) -> None:
    partner.batch, partner.time.step = 10, 8.0
    outcomes = [await partner.bring(users(60), size=10)]
    while not outcomes[-1].done:
        outcomes.append(await partner.bring(users(60), size=10))
    assert len(outcomes) > 1
    assert all(not outcome.done and not outcome.listed for outcome in outcomes[:-1])
    assert outcomes[-1].synced == 60
    given = [order.external_id for order in partner.orders()]
    assert len(given) == len(set(given)) == 60


async def test_orders_that_the_time_was_too_short_for_are_left_to_the_next_call(partner: Partner) -> None:
    partner.scim.answer = lambda order: NotStarted() if order.external_id == user(2).id else Done(Ref("p"))
    outcome = await partner.bring(users(2))
    assert (outcome.done, outcome.failure, outcome.synced) == (False, None, 1)


async def test_users_who_failed_before_alone_are_no_reason_for_another_call_at_once(partner: Partner) -> None:
    partner.batch = 1
    partner.scim.answer = failing(ScimRefused("m", kind="400"), *range(1, 6))
    await partner.bring(users(5))
    partner.time.step = 15.0
    outcome = await partner.bring(users(5))
    assert outcome.done
    assert (outcome.synced, outcome.failed) == (0, 5)
    assert outcome.partial_failure is not None
    assert outcome.partial_failure.retry_class is RetryClass.TRANSIENT
    assert "no time to try again (3)" in outcome.message


async def test_a_list_that_is_not_read_to_its_end_is_closed(partner: Partner) -> None:
    closed = False

    async def listed() -> Any:
        nonlocal closed
        try:
            while True:
                yield tuple(users(50))
        finally:
            closed = True

    partner.time.step = 30.0
    partner.batch = 10
    outcome = await partner.sync.sync(partner.app, "acme", CONTEXT, listed(), None)
    assert closed
    assert not outcome.done


async def test_a_list_need_not_be_a_generator(partner: Partner) -> None:
    class Pages:
        def __init__(self) -> None:
            self.rest = [tuple(users(2))]

        def __aiter__(self) -> "Pages":
            return self

        async def __anext__(self) -> tuple[User, ...]:
            if not self.rest:
                raise StopAsyncIteration
            return self.rest.pop()

    assert (await partner.sync.sync(partner.app, "acme", CONTEXT, Pages(), None)).synced == 2


@pytest.mark.case(50)
async def test_a_crash_before_a_save_loses_one_batch_which_is_sent_again(partner: Partner) -> None:
    partner.batch = 10
    partner.records.error, partner.records.saves_before_error = KubeUnreachable("away"), 1
    with pytest.raises(KubeUnreachable):
        await partner.bring(users(30), size=10)
    assert len(partner.orders()) == 10
    partner.records.error = None
    outcome = await partner.bring(users(30), size=10)
    assert outcome.synced == 30
    assert all(isinstance(order, Put) and order.ref is None for order in partner.orders())


@pytest.mark.case(50)
async def test_every_order_is_recorded_before_it_is_sent(partner: Partner) -> None:
    partner.records.error = KubeUnreachable("away")
    with pytest.raises(KubeUnreachable):
        await partner.bring(users(3))
    assert partner.orders() == []


@pytest.mark.case(50, 60)
async def test_a_user_perhaps_created_before_a_crash_who_left_since_is_deactivated(partner: Partner) -> None:
    partner.records.error, partner.records.saves_before_error = KubeUnreachable("away"), 1
    with pytest.raises(KubeUnreachable):
        await partner.bring(users(2))
    partner.orders()
    partner.records.error = None
    await partner.bring([user(2)])
    assert Deactivate(user(1).id, None) in partner.orders()


async def test_another_service_gets_all_users_anew(partner: Partner) -> None:
    await partner.bring(users(2))
    partner.orders()
    partner.app = app_with_scim("https://other.example.com/scim")
    assert (await partner.bring(users(2))).synced == 2
    assert [order.ref for order in partner.orders() if isinstance(order, Put)] == [None, None]


async def test_a_user_whose_id_is_too_long_to_record_fails(partner: Partner) -> None:
    outcome = await partner.bring([user(1, id="x" * (MAX_ID_BYTES + 1)), user(2)])
    assert (outcome.licensed, outcome.synced, outcome.failed) == (2, 1, 1)
    assert "id too long" in outcome.message


# Without a service.


@pytest.mark.parametrize("app", [view(), view(users={})], ids=["not even read", "counted"])
async def test_without_a_service_users_are_counted(partner: Partner, app: CompiledApp) -> None:
    partner.app = app
    outcome = await partner.bring(users(3))
    assert (outcome.licensed, outcome.listed, outcome.synced, outcome.failure) == (3, True, 0, None)
    assert partner.orders() == []
    assert partner.records.kept == {}
    assert await partner.deactivate_everybody() == UsersOutcome(0, listed=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/${account.nickname}", "users.scim.url: no such key: account.nickname"),
        ("https://example.com/${credentials.clientSecret}", "no such variable: credentials"),
        ("https://example.com/${", "no closing brace"),
        ("http://example.com", "allowInsecure"),
        ("https://a:b@example.com", "user name"),
    ],
)
async def test_an_address_that_cannot_be_rendered_is_a_failure_of_the_template(
    partner: Partner, url: str, words: str
) -> None:
    await partner.bring(users(1))
    partner.orders()
    partner.app = app_with_scim(url, allowInsecure=False)
    for outcome in (await partner.bring(users(3)), await partner.deactivate_everybody()):
        assert outcome.failure is not None
        assert (outcome.failure.reason, outcome.failure.retry_class) == (Reason.RENDER_FAILED, RetryClass.TERMINAL)
        assert words in outcome.message
    assert partner.orders() == []


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({}, "there is no Secret scim"),
        ({("team", "scim"): {}}, "has no token"),
        ({("team", "scim"): {"token": SecretStr(" \n")}}, "has no token"),
        ({("team", "scim"): {"token": SecretStr("canary\nX: y")}}, "no header can hold"),
        ({("other", "scim"): {"token": SecretStr("canary")}}, "there is no Secret scim"),
    ],
)
async def test_a_missing_token_is_reported_and_users_are_counted(
    partner: Partner, held: dict[tuple[str, str], dict[str, SecretStr]], words: str
) -> None:
    partner.secrets.held = held
    outcome = await partner.bring(users(3))
    assert outcome.failure is not None
    assert (outcome.failure.reason, outcome.failure.retry_class) == (Reason.USERS_FAILED, RetryClass.SLOW)
    assert words in outcome.message
    assert outcome.licensed == 3


async def test_the_service_is_called_as_the_app_says(partner: Partner) -> None:
    partner.app = app_with_scim(URL, timeout="3s", concurrency=2, allowInsecure=False)
    await partner.bring(users(1))
    (service,) = partner.scim.services
    assert (service.url, service.concurrency, service.timeout.total_seconds()) == (
        "https://scim.example.com/td-acme",
        2,
        3,
    )
    assert service.token.get_secret_value() == "canary-scim-token"


# The end.


async def test_offboarding_deactivates_all_users_within_the_budget(partner: Partner) -> None:
    partner.batch = 10
    await partner.bring(users(40))
    partner.orders()
    partner.time.step = 8.0
    outcomes = [await partner.deactivate_everybody()]
    while not outcomes[-1].done:
        outcomes.append(await partner.deactivate_everybody())
    assert len(outcomes) > 1
    given = partner.orders()
    assert all(isinstance(order, Deactivate) for order in given)
    assert len({order.external_id for order in given}) == len(given) == 40
    assert outcomes[-1].failure is None
    assert outcomes[-1].message.endswith("10 were deactivated")


async def test_a_user_whom_the_service_refuses_to_deactivate_does_not_hold_up_others(partner: Partner) -> None:
    partner.batch = 10
    await partner.bring(users(60))
    partner.scim.answer = failing(ScimRefused("m", kind="400"), *range(1, 31))
    partner.time.step = 8.0
    outcomes = [await partner.deactivate_everybody() for _ in range(4)]
    assert outcomes[-1].done
    (piece,) = await partner.records.load("team", "acme")
    assert sum(known.active for known in piece.users.values()) == 30
    assert outcomes[-1].failed == 30


async def test_a_reinstall_finds_its_users_again(partner: Partner) -> None:
    await partner.bring(users(2))
    await partner.deactivate_everybody()
    partner.orders()
    await partner.bring(users(2))
    assert [order.ref for order in partner.orders() if isinstance(order, Put)] == [
        Ref(f"p-{user(n).id}") for n in (1, 2)
    ]


async def test_a_user_who_was_missing_at_the_offboarding_is_created_at_a_reinstall(partner: Partner) -> None:
    await partner.bring(users(1))
    partner.scim.answer = lambda _: Done(None)
    await partner.deactivate_everybody()
    partner.orders()
    partner.scim.answer = lambda _: Done(Ref("p2"))
    await partner.bring(users(1))
    (order,) = partner.orders()
    assert isinstance(order, Put)
    assert order.ref is None


async def test_a_token_is_sent_to_no_host_that_its_secret_does_not_name(partner: Partner) -> None:
    partner.app = app_with_scim("https://evil.example/${tenant.name}", allowInsecure=False)
    outcome = await partner.bring(users(3))
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.USERS_FAILED
    assert "evil.example'" in outcome.message
    assert (partner.orders(), partner.scim.services) == ([], [])


async def test_a_token_is_sent_over_plain_http_only_where_app_and_operator_allow_it(partner: Partner) -> None:
    insecure = app_with_scim("http://app.example.com")
    for allow_insecure in (False, True):
        partner.app = replace(insecure, allow_insecure=allow_insecure)
        outcome = await partner.bring(users(1))
        assert (outcome.failure is None) == allow_insecure
        assert bool(partner.scim.services) == allow_insecure


@pytest.mark.case(74)
async def test_a_tenant_of_whom_nobody_may_be_active_needs_no_service(partner: Partner) -> None:
    partner.secrets.held.clear()
    assert await partner.deactivate_everybody() == UsersOutcome(0, listed=True)
    assert partner.orders() == []


@pytest.mark.case(74)
async def test_users_who_may_be_active_at_an_earlier_address_are_not_forgotten(partner: Partner) -> None:
    await partner.bring(users(2))
    partner.orders()
    partner.app = app_with_scim("http://elsewhere.example.com/scim")
    outcome = await partner.deactivate_everybody()
    assert outcome.failure is not None
    assert (outcome.failure.reason, outcome.finished) == (Reason.USERS_FAILED, False)
    (piece,) = await partner.records.load("team", "acme")
    assert all(known.active for known in piece.users.values())


@pytest.mark.case(74)
async def test_a_sync_at_a_new_address_forgets_nobody_who_may_be_active_at_the_earlier_one(partner: Partner) -> None:
    await partner.bring(users(3))
    partner.app = app_with_scim("https://elsewhere.example.com/scim")
    partner.orders()
    for orders in 2, 0:
        outcome = await partner.bring(users(2))
        assert (outcome.finished, outcome.synced, outcome.failed, len(partner.orders())) == (True, 2, 3, orders)
        assert outcome.partial_failure is not None
        assert (outcome.partial_failure.reason, outcome.partial_failure.retry_class) == (
            Reason.USERS_FAILED,
            RetryClass.TERMINAL,
        )
    left = await partner.deactivate_everybody()
    assert (left.finished, len(partner.orders())) == (False, 2), "those of the present address go"
    partner.app = app_with_scim(URL, allowInsecure=False)
    assert (await partner.deactivate_everybody()).finished
    assert len(partner.orders()) == 3


@pytest.mark.case(74)
async def test_a_person_can_have_the_users_of_an_earlier_address_forgotten(partner: Partner) -> None:
    await partner.bring(users(3))
    partner.app = app_with_scim("https://elsewhere.example.com/scim")
    outcome = await partner.bring(users(1), forget_elsewhere=True)
    assert (outcome.failed, outcome.partial_failure) == (0, None)
    assert (await partner.deactivate_everybody()).finished


@pytest.mark.case(74)
@pytest.mark.parametrize("error", [ScimRefused("m", kind="400"), ScimUnavailable("m", kind="503")])
async def test_a_single_user_who_may_be_active_keeps_the_offboarding_from_being_finished(
    partner: Partner, error: ScimError
) -> None:
    await partner.bring(users(3))
    partner.scim.answer = failing(error, 2)
    outcome = await partner.deactivate_everybody()
    assert (outcome.finished, outcome.failed) == (False, 1)
    assert outcome.failure is not None
    assert outcome.failure.retry_class is not RetryClass.TERMINAL
    partner.scim.answer = failing(error)
    assert (await partner.deactivate_everybody()).finished
    assert (await partner.deactivate_everybody()).finished


async def test_a_service_that_fails_at_the_offboarding_is_reported(partner: Partner) -> None:
    await partner.bring(users(2))
    partner.scim.answer, partner.scim.error = lambda _: NotStarted(), ScimUnauthorized("m")
    outcome = await partner.deactivate_everybody()
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.USERS_FAILED


async def test_the_record_is_erased_with_the_tenant(partner: Partner) -> None:
    await partner.bring(users(2))
    await partner.sync.erase("team", "acme")
    assert partner.records.kept == {}
