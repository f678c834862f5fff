"""Steps at Talkdesk: what is read with which credentials, what is sent, and what each failure means."""

from dataclasses import replace
from typing import Any, cast

import pytest

from builders.objects import HOUR, INSTALLATION, NOON, WEEK, answered, credentials, installation, scope, view
from builders.operator_in_memory import ACCOUNT, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.conditions import Reason
from talkdesk_crds.hosts import HostAllowList, Region
from talkdesk_crds.installation import AccountFacts, Decision
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Credentials,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskApi,
    TalkdeskConflict,
    TalkdeskError,
    TalkdeskForbidden,
    TalkdeskForeignHost,
    TalkdeskInvalidCredentials,
    TalkdeskMalformed,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskRateLimited,
    TalkdeskRedirected,
    TalkdeskRefused,
    TalkdeskUnauthorized,
    TalkdeskUnavailable,
)
from talkdesk_operator.domain.reconcile.error_policy import send_state
from talkdesk_operator.domain.reconcile.scope import (
    AcknowledgementState,
    CredentialsMissing,
    Failure,
    RemoteFailed,
    RemoteMissing,
    RetryClass,
    Scope,
    SendState,
)
from talkdesk_operator.domain.reconcile.steps import ReadTalkdesk
from talkdesk_operator.reconcilers.talkdesk_access import access_of
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_runtime.kube_errors import KubeUnreachable

ENDPOINTS = {"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}
STATE = ReadTalkdesk(facts=False)
FACTS = ReadTalkdesk(facts=True)
NEWEST = credentials()
OLDER = replace(NEWEST, client_id="client-0")


class World(OperatorInMemory):
    """The steps over Secrets in a cluster and an installation at Talkdesk."""

    @property
    def steps(self) -> TalkdeskSteps:
        return TalkdeskSteps(self.cluster, self.talkdesk)


@pytest.fixture
def world() -> World:
    return World(sentiment(), installed(), credentials_secret())


def known(**fields: Any) -> Scope:
    """A scope whose credentials were read."""
    return scope(**({"credentials": NEWEST, "secret_name": "keys-1"} | fields))


# Credentials.


async def test_the_secret_that_the_spec_names_is_read(world: World) -> None:
    after = await world.steps.read_credentials(scope())
    assert isinstance(after.credentials, Credentials)
    assert after.credentials.client_id == "client-1"
    assert after.credentials.private_key.get_secret_value() == "p"
    assert (after.credentials.key_id, after.credentials.key_algorithm) == ("k-1", "ES256")
    assert after.secret_name == "keys-1"


async def test_what_a_secret_lacks_besides_the_client_is_empty(world: World) -> None:
    world.server.put(credentials_secret(client_secret=None, private_key=None, key_id=None, key_algorithm=None))
    after = await world.steps.read_credentials(scope())
    assert isinstance(after.credentials, Credentials)
    assert after.credentials.client_secret.get_secret_value() == after.credentials.private_key.get_secret_value() == ""
    assert after.credentials.key_id == after.credentials.key_algorithm == ""


@pytest.mark.parametrize("client", [None, ""])
async def test_a_secret_without_a_client_is_lost_and_named(world: World, client: str | None) -> None:
    world.server.put(credentials_secret(client_id=client))
    after = await world.steps.read_credentials(scope())
    assert isinstance(after.credentials, CredentialsMissing)
    assert after.credentials.failure.reason is Reason.CREDENTIALS_LOST
    assert "keys-1" in after.credentials.failure.message


async def test_a_secret_that_is_gone_is_lost_and_waited_for(world: World) -> None:
    world.server.remove("Secret", "keys-1")
    after = await world.steps.read_credentials(scope())
    assert isinstance(after.credentials, CredentialsMissing)
    assert after.credentials.failure.reason is Reason.CREDENTIALS_LOST
    assert after.credentials.failure.retry_class is RetryClass.TRANSIENT


@pytest.mark.case(43)
@pytest.mark.parametrize("change", [{"type": "Opaque"}, {"metadata": {"labels": None}}], ids=["type", "label"])
async def test_a_secret_that_is_not_the_installations_own_is_not_used_and_not_waited_for_hotly(
    world: World, change: dict[str, Any]
) -> None:
    world.server.edit("Secret", "keys-1", change)
    after = await world.steps.read_credentials(scope())
    assert isinstance(after.credentials, CredentialsMissing)
    assert after.credentials.failure.reason is Reason.CREDENTIALS_FOREIGN
    assert after.credentials.failure.retry_class is RetryClass.SLOW
    assert "keys-1" in after.credentials.failure.message
    assert after.secret_name is None


async def test_where_no_event_brought_credentials_and_none_are_stored_they_are_missing(world: World) -> None:
    world.server.remove("Secret", "keys-1")
    after = await world.steps.read_credentials(scope(installation=installation(credentials=None)))
    assert isinstance(after.credentials, CredentialsMissing)
    assert after.credentials.failure.reason is Reason.CREDENTIALS_MISSING
    assert world.journal.lines == ["LIST secrets"]


@pytest.mark.case(44)
async def test_where_the_spec_names_no_credentials_the_newest_stored_are_used(world: World) -> None:
    world.server.put(credentials_secret("keys-2", client="client-2", event_time=NOON + HOUR))
    world.server.put(credentials_secret("keys-3", client_id=None, event_time=NOON + 2 * HOUR))
    after = await world.steps.read_credentials(scope(installation=installation(credentials=None)))
    assert isinstance(after.credentials, Credentials)
    assert (after.credentials.client_id, after.secret_name) == ("client-2", "keys-2")


async def test_an_api_server_that_is_away_is_not_taken_for_a_missing_secret(world: World) -> None:
    world.journal.fail("GET secrets/keys-1", KubeUnreachable("away"))
    with pytest.raises(KubeUnreachable):
        await world.steps.read_credentials(scope())


# What a call needs.


def access(**fields: Any) -> Access | Failure:
    return access_of(known(**fields))


def test_a_call_goes_where_the_events_said() -> None:
    found = access(installation=installation(endpoints=ENDPOINTS))
    assert isinstance(found, Access)
    assert (found.api_url, found.token_url) == (ENDPOINTS["api"], ENDPOINTS["token"])
    assert found.region_key == "team/sentiment"
    assert (found.urgent, found.background) == (False, False)


def test_a_call_goes_to_the_apps_region_by_the_accounts_name_when_no_event_said_where() -> None:
    found = access()
    assert isinstance(found, Access)
    assert found.hosts == HostAllowList.for_region(Region.US)
    assert found.token_url == "https://acme.talkdeskid.com/oauth/token"


def test_another_token_url_that_was_found_to_work_goes_first() -> None:
    found = access(token_url="https://other.talkdeskid.com/oauth/token")
    assert isinstance(found, Access)
    assert found.token_url == "https://other.talkdeskid.com/oauth/token"


def test_a_call_near_the_deadline_is_urgent() -> None:
    found = access(now=NOON + WEEK - HOUR / 2)
    assert isinstance(found, Access)
    assert found.urgent


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"app": None}, Reason.TEMPLATE_INVALID),
        ({"app": replace(view(), hosts=None, problem="endpoints: no")}, Reason.TEMPLATE_INVALID),
        ({"credentials": None}, Reason.CREDENTIALS_MISSING),
        ({"installation": installation(accountName=None)}, Reason.FOREIGN_HOST),
        ({"installation": installation(accountName="evil.example.com/")}, Reason.FOREIGN_HOST),
    ],
)
async def test_a_call_that_lacks_something_is_not_made_and_says_what(
    world: World, fields: dict[str, Any], reason: Reason
) -> None:
    lacking = known(**fields)
    read = await world.steps.read(lacking, FACTS)
    assert isinstance(read.remote, RemoteFailed)
    assert read.remote.failure.reason is reason
    acknowledged = await world.steps.acknowledge(lacking)
    assert acknowledged.acknowledged is AcknowledgementState.FAILED
    assert acknowledged.ack_failure == read.remote.failure
    sent, _ = await world.steps.send(lacking, Decision.APPROVE, "")
    assert (sent.sent, sent.send_failure, sent.remote) == (SendState.REFUSED, read.remote.failure, read.remote)
    assert world.journal.lines == []


@pytest.mark.parametrize("scope", [known(), known(credentials=None), known(app=None)])
def test_what_is_cached_of_an_installation_is_forgotten_whatever_else_is_known(world: World, scope: Scope) -> None:
    world.steps.forget(scope)
    metadata = scope.installation.metadata
    assert world.talkdesk.forgotten == [f"{metadata.namespace}/{metadata.name}"]


# Read.


async def test_only_the_state_is_read_when_no_facts_are_asked_for(world: World) -> None:
    after = await world.steps.read(known(), STATE)
    assert world.journal.lines == ["ASK installation"]
    assert after.remote == world.talkdesk.remote
    assert after.facts is None


async def test_facts_are_read_with_the_state_and_cut_to_what_a_status_holds(world: World) -> None:
    world.talkdesk.company = "x" * 5000
    after = await world.steps.read(known(), FACTS)
    assert sorted(world.journal.lines) == ["ASK account", "ASK installation", "ASK subscription"]
    assert after.facts is not None
    assert (after.facts.account.id, after.facts.account.name) == (ACCOUNT, "acme")
    assert after.facts.account.company_name == "x" * 512
    assert (after.facts.subscription.type, after.facts.subscription.licenses) == ("paid", 5)
    assert after.facts.created_by == "admin-1"


async def test_facts_that_talkdesk_does_not_have_are_none(world: World) -> None:
    world.talkdesk.plan = None
    world.talkdesk.remote = RemoteInstallation("i1", "installing")
    after = await world.steps.read(known(), FACTS)
    assert after.facts is not None
    assert after.facts.subscription.type is None
    assert after.facts.created_by is None


async def test_a_trial_is_read_when_it_is_asked_for(world: World) -> None:
    world.talkdesk.trial_there = RemoteTrial("active")
    assert (await world.steps.read(known(), ReadTalkdesk(facts=True, trial=True))).trial == RemoteTrial("active")
    assert "ASK trial" in world.journal.lines


@pytest.mark.parametrize("error", [TalkdeskNotFound("none"), TalkdeskUnavailable("down")])
async def test_a_trial_that_cannot_be_read_leaves_what_is_known(world: World, error: TalkdeskError) -> None:
    world.journal.fail("ASK trial", error)
    before = known(trial=RemoteTrial("active"))
    after = await world.steps.read(before, ReadTalkdesk(facts=True, trial=True))
    assert after.trial == RemoteTrial("active")
    assert after.facts is not None


@pytest.mark.parametrize("fact", ["account", "subscription"])
async def test_a_fact_that_cannot_be_read_fails_the_whole_reading(world: World, fact: str) -> None:
    world.journal.fail(f"ASK {fact}", TalkdeskUnavailable("down"))
    after = await world.steps.read(known(), FACTS)
    assert isinstance(after.remote, RemoteFailed)
    assert after.remote.failure.reason is Reason.UNAVAILABLE
    assert after.facts is None


@pytest.mark.parametrize("step", [STATE, FACTS])
async def test_an_installation_that_talkdesk_does_not_know_is_missing(world: World, step: ReadTalkdesk) -> None:
    world.talkdesk.remote = None
    after = await world.steps.read(known(), step)
    assert isinstance(after.remote, RemoteMissing)
    assert after.facts is None


FAILURES: list[tuple[TalkdeskError, Reason, RetryClass]] = [
    (TalkdeskUnavailable("x"), Reason.UNAVAILABLE, RetryClass.TRANSIENT),
    (TalkdeskRateLimited("x"), Reason.UNAVAILABLE, RetryClass.TRANSIENT),
    (TalkdeskMalformed("x"), Reason.UNAVAILABLE, RetryClass.TRANSIENT),
    (TalkdeskOutcomeUnknown("x"), Reason.UNAVAILABLE, RetryClass.TRANSIENT),
    (TalkdeskUnauthorized("x"), Reason.CREDENTIALS_REFUSED, RetryClass.SLOW),
    (TalkdeskInvalidCredentials("x"), Reason.CREDENTIALS_REFUSED, RetryClass.SLOW),
    (TalkdeskForbidden("x"), Reason.FORBIDDEN, RetryClass.SLOW),
    (TalkdeskForeignHost("x"), Reason.FOREIGN_HOST, RetryClass.SLOW),
    (TalkdeskRefused("x"), Reason.REFUSED, RetryClass.SLOW),
    (TalkdeskRedirected("x"), Reason.REFUSED, RetryClass.SLOW),
]


@pytest.mark.parametrize(("error", "reason", "retry"), FAILURES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("step", [STATE, FACTS])
async def test_a_failed_reading_becomes_a_reason_and_a_retry_class(
    world: World, step: ReadTalkdesk, error: TalkdeskError, reason: Reason, retry: RetryClass
) -> None:
    world.journal.fail("ASK installation", error, count=9)
    after = await world.steps.read(known(), step)
    assert isinstance(after.remote, RemoteFailed)
    assert (after.remote.failure.reason, after.remote.failure.retry_class) == (reason, retry)


class Unforeseen(Exception):
    """What no port promises."""


@pytest.mark.parametrize("what", ["installation", "account", "subscription", "trial"])
async def test_an_error_that_no_port_promises_is_not_hidden(world: World, what: str) -> None:
    world.journal.fail(f"ASK {what}", Unforeseen())
    with pytest.raises(Unforeseen):
        await world.steps.read(known(), ReadTalkdesk(facts=True, trial=True))


class Nonsense:
    """A Talkdesk that returns something else than the port promises."""

    async def installation(self, *_: object) -> RemoteInstallation:
        return RemoteInstallation("i1", "installing")

    async def account(self, *_: object) -> Subscription:
        return Subscription()

    subscription = account


async def test_an_answer_of_the_wrong_type_is_a_fault(world: World) -> None:
    with pytest.raises(TypeError):
        await TalkdeskSteps(world.cluster, cast("TalkdeskApi", Nonsense())).read(known(), FACTS)


# Other credentials.


async def test_refused_credentials_are_tried_under_the_accounts_other_name_first(world: World) -> None:
    renamed = answered(account=AccountFacts(id="acc-1", name="acme-new"))
    good = "https://acme-new.talkdeskid.com/oauth/token"
    world.talkdesk.token_urls = {good}
    there = installation(endpoints=ENDPOINTS, status=renamed)
    after = await world.steps.read(known(installation=there), STATE)
    assert (after.token_url, after.secret_name) == (good, "keys-1")
    assert isinstance(after.remote, RemoteInstallation)
    assert "LIST secrets" not in world.journal.lines


async def test_the_same_name_is_not_tried_twice(world: World) -> None:
    world.talkdesk.clients = set()
    there = installation(endpoints=ENDPOINTS, status=answered())
    after = await world.steps.read(known(installation=there), STATE)
    assert world.journal.lines.count("ASK installation") == 1
    assert isinstance(after.remote, RemoteFailed)


async def test_without_a_token_url_from_an_event_there_is_no_other_name_to_try(world: World) -> None:
    world.talkdesk.clients = set()
    await world.steps.read(known(), STATE)
    assert world.journal.lines == ["ASK installation", "LIST secrets"]


@pytest.mark.case(24)
async def test_refused_credentials_give_way_to_an_older_version_that_talkdesk_still_takes(world: World) -> None:
    for number in (8, 9):
        event_time = NOON - number * HOUR
        world.server.put(credentials_secret(f"keys-{number}", client=f"client-{number}", event_time=event_time))
    world.talkdesk.clients = {"client-9"}
    after = await world.steps.read(known(), FACTS)
    assert after.secret_name == "keys-9"
    assert isinstance(after.credentials, Credentials)
    assert after.credentials.client_id == "client-9"
    assert [line for line in world.journal.lines if "secrets" in line] == [
        "LIST secrets",
        "GET secrets/keys-8",
        "GET secrets/keys-9",
    ]


async def test_no_more_than_three_older_versions_are_tried(world: World) -> None:
    world.talkdesk.clients = {"client-5"}
    for number in range(1, 6):
        event_time = NOON - number * HOUR
        world.server.put(credentials_secret(f"old-{number}", client=f"client-{number}0", event_time=event_time))
    after = await world.steps.read(known(), STATE)
    assert isinstance(after.remote, RemoteFailed)
    assert after.secret_name == "keys-1"
    assert sum(line.startswith("GET secrets/old") for line in world.journal.lines) == 3


async def test_an_older_version_without_a_client_is_passed_over(world: World) -> None:
    world.server.put(credentials_secret("old-1", client_id=None, event_time=NOON - HOUR))
    world.server.put(credentials_secret("old-2", client="client-0", event_time=NOON - 2 * HOUR))
    world.talkdesk.clients = {"client-0"}
    assert (await world.steps.read(known(), STATE)).secret_name == "old-2"


async def test_an_outage_does_not_make_other_credentials_be_tried(world: World) -> None:
    world.journal.fail("ASK installation", TalkdeskUnavailable("down"))
    await world.steps.read(known(), STATE)
    assert world.journal.lines == ["ASK installation"]


# Acknowledge and answer.


async def test_a_rotation_is_acknowledged_by_the_client_in_use(world: World) -> None:
    world.talkdesk.rotating = "client-1"
    after = await world.steps.acknowledge(known())
    assert after.acknowledged is AcknowledgementState.DONE
    assert world.journal.lines == ["ACKNOWLEDGE client-1"]


async def test_a_rotation_that_talkdesk_no_longer_waits_for_is_as_good_as_acknowledged(world: World) -> None:
    after = await world.steps.acknowledge(known())
    assert (after.acknowledged, after.ack_failure) == (AcknowledgementState.DONE, None)


@pytest.mark.parametrize("error", [TalkdeskUnavailable("x"), TalkdeskOutcomeUnknown("x"), TalkdeskForbidden("x")])
async def test_a_failed_acknowledgement_is_tried_again_later(world: World, error: TalkdeskError) -> None:
    world.journal.fail("ACKNOWLEDGE client-1", error)
    after = await world.steps.acknowledge(known())
    assert after.acknowledged is AcknowledgementState.FAILED
    assert after.ack_failure is not None


async def test_an_answer_that_talkdesk_takes_is_delivered(world: World) -> None:
    after, moment = await world.steps.send(known(), Decision.REJECT, "no room")
    assert (after.sent, after.send_failure, moment) == (SendState.DELIVERED, None, world.now)
    assert world.journal.lines == ["ANSWER Reject (no room)"]


@pytest.mark.parametrize("error", [*(each for each, _, _ in FAILURES), TalkdeskConflict("x"), TalkdeskNotFound("x")])
async def test_an_answer_that_is_not_taken_for_certain_is_judged_by_talkdesks_state(
    world: World, error: TalkdeskError
) -> None:
    world.journal.fail("ANSWER Approve", error)
    after, moment = await world.steps.send(known(remote=RemoteInstallation("i1", "installing")), Decision.APPROVE, "")
    assert (after.sent, moment) == (send_state(error), None)
    assert after.send_failure is not None
    assert after.remote is None


async def test_an_installation_whose_app_is_gone_is_not_asked_about_at_talkdesk(world: World) -> None:
    after = await world.steps.read(known(app=None), STATE)
    assert isinstance(after.remote, RemoteFailed)
    assert INSTALLATION not in "".join(world.journal.lines)
