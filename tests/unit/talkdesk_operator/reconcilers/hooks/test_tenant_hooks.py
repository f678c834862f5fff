"""The services of a tenant during a reconcile: what is on record before and after each call."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from builders.operator_in_memory import sentiment
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.app_http import HttpStep
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.hooks.record import Existence, HookEntry, HookRecord
from talkdesk_operator.domain.ports.cluster import NamedSecret
from talkdesk_operator.domain.ports.hooks import Answer, HookRequest, HookTarget, Reply, Unanswered
from talkdesk_operator.domain.reconcile.failure import Failure, FaultOwner, RetryClass
from talkdesk_operator.reconcilers.hooks.tenant_hooks import HookParts, TenantHooks
from talkdesk_operator.templates.http_call import RenderedHttp
from talkdesk_runtime.kube_errors import KubeConflict

APP = TalkdeskApp.model_validate(sentiment())
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class World:
    """A service that answers what it is told to, and a store that notes what was on record at each call."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[HookRequest] = field(default_factory=list)
    stored: HookRecord | None = None
    at_call: list[HookRecord | None] = field(default_factory=list)
    saves: int = 0
    now: datetime = NOW
    busy: Unanswered | None = None
    secrets: dict[str, NamedSecret] = field(default_factory=dict)
    overwritten: bool = False

    def __post_init__(self) -> None:
        key = {"key": SecretStr("canary")}
        self.secrets["hook"] = NamedSecret({"annotations": {ANNOTATION_FOR_HOSTS: "control.example.com"}}, key)
        self.parts = HookParts(self.read_secret, self, self, lambda: self.now, lambda: "r1")

    async def read_secret(self, _namespace: str, name: str) -> NamedSecret | None:
        return self.secrets.get(name)

    async def load(self, _namespace: str, _tenant: str) -> HookRecord | None:
        return self.stored

    async def save(self, _namespace: str, _tenant: str, record: HookRecord) -> HookRecord:
        if self.overwritten:
            raise KubeConflict("somebody else")
        self.saves += 1
        self.stored = replace(record, version=str(self.saves))
        return self.stored

    async def drop(self, _namespace: str, _tenant: str) -> None:
        self.stored = None

    def held(self, _target: HookTarget) -> Unanswered | None:
        return self.busy

    async def call(self, _target: HookTarget, request: HookRequest) -> Answer:
        self.requests.append(request)
        self.at_call.append(self.stored)
        return self.answers.pop(0)

    async def hooks(self, *, novel: bool = True, again: bool = False) -> TenantHooks:
        return await TenantHooks.opened(self.parts, APP, "sentiment-5f1", novel=novel, again=again)

    async def put(self, *answers: Answer, again: bool = False, **body: Any) -> Failure | str:
        self.answers = list(answers)
        opened = await self.hooks(again=again)
        return await opened.put("account", rendered(**body), on_offboard="Retain", on_remove=None)

    async def delete(self, *answers: Answer) -> Failure | str:
        self.answers = list(answers)
        return await (await self.hooks()).delete("account")

    def sent(self) -> list[tuple[str, str]]:
        return [(each.method, each.key) for each in self.requests]


def rendered(*, settings: dict[str, Any] | None = None, **body: Any) -> RenderedHttp:
    known = {"url": "https://control.example.com/t", "secretRef": {"name": "hook", "key": "key"}, **(settings or {})}
    step = HttpStep.model_validate(known)
    return RenderedHttp(step, step.url, {"X-Plan": "gold"}, {"state": "Active", **body}, is_default=True)


OK = Reply(200, {"outputs": {"at": "x"}, "secrets": {"word": "canary"}})
CUT = Unanswered("no answer in time", sent=True)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_may_be_left_behind_is_on_record_before_the_first_request(world: World) -> None:
    assert await world.put(OK) == ""
    [at_call] = world.at_call
    assert at_call is not None
    assert at_call.entries["account"].exists is Existence.MAYBE
    [request] = world.requests
    assert (request.method, request.url, request.key) == (
        "PUT",
        "https://control.example.com/t/sentiment-5f1",
        "r1_account_1",
    )
    assert request.body == b'{"generation":1,"state":"Active"}'
    assert world.saves == 2
    opened = await world.hooks()
    assert opened.known == ("account",)
    assert opened.outputs == {"account": {"at": "x", "secrets": {"word": "canary"}}}


async def test_what_is_as_wanted_is_not_asked_for_again_and_nothing_is_written(world: World) -> None:
    await world.put(OK)
    assert await world.put() == ""
    assert (len(world.requests), world.saves) == (1, 2)
    assert await world.put(OK, plan="gold") == ""
    assert world.sent()[1] == ("PUT", "r1_account_2")


async def test_a_changed_setting_is_on_record_without_a_request(world: World) -> None:
    await world.put(OK)
    opened = await world.hooks()
    assert await opened.put("account", rendered(), on_offboard="Delete", on_remove="Delete") == ""
    assert world.stored is not None
    assert world.stored.entries["account"].on_offboard == "Delete"
    assert len(world.requests) == 1


@pytest.mark.case(64)
async def test_trouble_that_passes_is_a_failure_that_is_tried_again_with_the_same_key(world: World) -> None:
    failure = await world.put(Reply(503, {"description": "busy"}, timedelta(seconds=7)))
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.retry_class) == ("HookUnavailable", RetryClass.TRANSIENT)
    assert (failure.message, failure.retry_after) == ("step account: 503: busy", timedelta(seconds=7))
    assert await world.put(OK) == ""
    assert world.sent() == [("PUT", "r1_account_1")] * 2
    assert world.requests[0].body == world.requests[1].body


async def test_nothing_is_written_or_sent_while_the_service_is_held(world: World) -> None:
    world.busy = Unanswered("nothing was sent", sent=False, retry_after=timedelta(seconds=5))
    failure = await world.put()
    assert isinstance(failure, Failure)
    assert failure.retry_after == timedelta(seconds=5)
    assert (world.requests, world.saves) == ([], 0)


@pytest.mark.case(64)
async def test_an_operation_is_polled_not_before_the_service_wants_to_be_asked(world: World) -> None:
    wait = timedelta(seconds=30)
    asked = await world.put(Reply(202, {"operation": "a b", "description": "making it"}, wait))
    assert asked == "step account: the service is at it: making it"
    world.now += timedelta(seconds=29)
    opened = await world.hooks()
    assert await opened.put("account", rendered(), on_offboard="Retain", on_remove=None) == asked
    assert opened.wait == timedelta(seconds=1)
    assert len(world.requests) == 1
    world.now += timedelta(seconds=1)
    assert await world.put(Reply(200, {"state": "in progress"})) == "step account: the service is at it"
    assert world.requests[-1].url == "https://control.example.com/t/sentiment-5f1/last_operation?operation=a%20b"
    assert await world.put(Reply(200, {"state": "succeeded", "outputs": {"at": "y"}})) == ""
    assert [method for method, _ in world.sent()] == ["PUT", "GET", "GET"]


@pytest.mark.case(64)
async def test_an_orphan_is_deleted_at_once_and_the_tenant_made_anew_at_the_next_try(world: World) -> None:
    failure = await world.put(CUT, Reply(200, {}))
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.retry_class) == ("HookFailed", RetryClass.SLOW)
    assert world.sent() == [("PUT", "r1_account_1"), ("DELETE", "r1_account_2")]
    assert world.requests[1].body == b'{"generation":2,"state":"Deleted","tenant":{"id":"sentiment-5f1"}}'
    assert await world.put(OK) == ""
    assert world.sent()[-1] == ("PUT", "r1_account_3")


@pytest.mark.case(64)
async def test_an_orphan_that_cannot_be_deleted_yet_is_deleted_before_anything_else(world: World) -> None:
    await world.put(CUT, Reply(503, {}))
    assert await world.put(Reply(410, {}), OK) == ""
    assert [method for method, _ in world.sent()] == ["PUT", "DELETE", "DELETE", "PUT"]


@pytest.mark.parametrize(("policy", "fault"), [("Hold", FaultOwner.OURS), ("Reject", FaultOwner.CUSTOMER)])
async def test_a_refusal_is_final_and_perhaps_the_customers_own(world: World, policy: str, fault: FaultOwner) -> None:
    settings = {"onRefusal": policy}
    failure = await world.put(Reply(400, {"description": "no"}), settings=settings)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.fault) == ("HookRefused", fault)
    assert failure.message == "step account: the service refuses it: 400: no"
    assert await world.put(settings=settings) == failure
    assert len(world.requests) == 1
    assert await world.put(OK, again=True, settings=settings) == ""


async def test_an_updates_refusal_is_never_the_customers_fault(world: World) -> None:
    await world.put(OK)
    failure = await world.put(Reply(400, {}), plan="none", settings={"onRefusal": "Reject"})
    assert isinstance(failure, Failure)
    assert failure.fault is FaultOwner.OURS


async def test_of_what_is_gone_only_the_count_stays_so_that_no_key_comes_again(world: World) -> None:
    await world.put(OK)
    assert isinstance(await world.delete(Reply(500, {})), Failure)
    assert world.stored is not None
    assert await world.delete(Reply(202, {})) == "step account: the service is at it"
    assert await world.delete(Reply(404, {})) == ""
    assert world.stored.entries == {"account": HookEntry(generation=2, novel=True)}
    saves = world.saves
    assert await world.delete() == ""
    assert world.saves == saves
    assert (await world.hooks()).known == ()
    assert [method for method, _ in world.sent()] == ["PUT", "DELETE", "DELETE", "GET"]
    await world.put(OK)
    assert world.sent()[-1] == ("PUT", "r1_account_3")
    opened = await world.hooks()
    await opened.drop()
    assert world.stored is None
    await (await world.hooks()).drop()


async def test_nothing_is_deleted_that_never_was(world: World) -> None:
    await world.put(Reply(400, {}))
    assert await world.delete() == ""
    assert [method for method, _ in world.sent()] == ["PUT"]


async def test_a_service_that_changes_its_mind_again_and_again_is_left_alone(world: World) -> None:
    moods: Callable[[], list[Answer]] = lambda: [CUT, Reply(200, {})]  # noqa: E731
    for _ in range(3):
        assert isinstance(await world.put(*moods()), Failure)
    assert [method for method, _ in world.sent()] == ["PUT", "DELETE"] * 3


async def test_whoever_lost_the_record_to_somebody_else_sends_nothing(world: World) -> None:
    world.overwritten = True
    with pytest.raises(KubeConflict):
        await world.put(OK)
    assert world.requests == []


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "there is no Secret hook"),
        (NamedSecret({}, {"key": SecretStr("canary")}), "is not released for the host control.example.com"),
        (NamedSecret({"annotations": {ANNOTATION_FOR_HOSTS: "control.example.com"}}, {}), "has no key"),
        (
            NamedSecret({"annotations": {ANNOTATION_FOR_HOSTS: "control.example.com"}}, {"key": SecretStr("whsec_%")}),
            "can't be used",
        ),
    ],
)
async def test_a_key_that_cannot_be_used_is_said_and_nothing_sent(
    world: World, secret: NamedSecret | None, words: str
) -> None:
    del world.secrets["hook"]
    if secret is not None:
        world.secrets["hook"] = secret
    failure = await world.put()
    assert isinstance(failure, Failure)
    assert failure.reason == "HookKeyMissing"
    assert words in failure.message
    assert "canary" not in failure.message
    assert (world.requests, world.saves) == ([], 0)


@pytest.mark.parametrize("data", [{"tls.crt": "c", "tls.key": "k"}, {"tls.crt": "c"}])
async def test_a_certificate_of_ours_comes_from_a_secret_that_is_released_too(
    world: World, data: dict[str, str]
) -> None:
    hidden = {name: SecretStr(text) for name, text in data.items()}
    world.secrets["ours"] = NamedSecret({"annotations": {ANNOTATION_FOR_HOSTS: "*.example.com"}}, hidden)
    outcome = await world.put(OK, settings={"clientCertificateRef": {"name": "ours"}})
    if len(data) == 2:
        assert outcome == ""
        return
    assert isinstance(outcome, Failure)
    assert "the Secret ours has no tls.crt and tls.key" in outcome.message
    missing = await world.put(settings={"clientCertificateRef": {"name": "nobody"}})
    assert isinstance(missing, Failure)
    assert "there is no Secret nobody" in missing.message
