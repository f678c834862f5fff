from datetime import timedelta
from typing import Any

import pytest

from builders.events import NOON
from builders.scripted_kube import ScriptedKube, stored
from talkdesk_crds.installation import CredentialsOrigin
from talkdesk_crds.names import GROUP
from talkdesk_runtime.kube_errors import (
    KubeAdmissionRefused,
    KubeAlreadyExists,
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)
from talkdesk_webhook.event_record import EventRecord, Register, SecretDraft
from talkdesk_webhook.inbox import Inbox, InboxUnavailable, OtherAccount, Result

REQUEST = Register("request", "event-1", {"type": "Install", "eventId": "event-1"}, {"accountName": "acme"})
CREDENTIALS = Register("credentials", "event-1", {"secretName": "s", "eventId": "event-1"}, {"endpoints": {"api": "x"}})
SECRET = SecretDraft("s", {"client_secret": "canary-made-up"}, NOON, CredentialsOrigin.ROTATION)
THERE = KubeAlreadyExists("there")
GONE = KubeNotFound("gone")
TEST_FAILED = KubeInvalid("the server rejected our request due to an error in our request")


def older(*registers: str) -> KubeInvalid:
    return KubeInvalid("older", tuple(f"spec.{register}" for register in registers))


def fields(*registers: Register) -> dict[str, Any]:
    return {name: value for register in registers for name, value in register.fields.items()}


def event(**overrides: Any) -> EventRecord:
    usual: dict[str, Any] = {
        "namespace": "team",
        "app": "sentiment",
        "name": "sentiment-1",
        "installation_id": "1",
        "account_id": "acc",
        "event_id": "event-1",
        "event_time": NOON,
        "registers": (REQUEST,),
    }
    return EventRecord(**usual | overrides)


def install() -> EventRecord:
    return event(registers=(REQUEST, CREDENTIALS), secret=SECRET, create_first=True)


async def outcome(wanted: EventRecord, *answers: dict[str, Any] | KubeError) -> tuple[Result, ScriptedKube]:
    kube = ScriptedKube(*answers)
    return await Inbox(kube).store(wanted), kube


async def test_an_install_takes_two_writes_with_the_secret_first() -> None:
    result, kube = await outcome(install(), {}, {})
    assert result is Result.STORED
    assert kube.requests == ["POST secrets", "POST talkdeskinstallations"]
    secret, created = (asked.body for asked in kube.asked)
    assert secret["type"] == f"{GROUP}/credentials"
    assert secret["immutable"] is True
    assert secret["stringData"] == SECRET.material
    assert secret["metadata"] == {
        "name": "s",
        "namespace": "team",
        "labels": {
            "app.kubernetes.io/managed-by": "talkdesk-operator",
            f"{GROUP}/app": "sentiment",
            f"{GROUP}/installation": "sentiment-1",
        },
        "annotations": {
            f"{GROUP}/event-time": "2026-03-01T12:00:00Z",
            f"{GROUP}/event-id": "event-1",
            f"{GROUP}/origin": "Rotation",
        },
    }
    assert created["metadata"] == {
        "name": "sentiment-1",
        "namespace": "team",
        "labels": {f"{GROUP}/app": "sentiment", f"{GROUP}/shard-slot": "29"},
        "finalizers": [f"{GROUP}/tenant"],
    }
    assert created["spec"] == {
        "appRef": {"name": "sentiment"},
        "installationId": "1",
        "accountId": "acc",
        "request": REQUEST.value,
        "accountName": "acme",
        "credentials": CREDENTIALS.value,
        "endpoints": {"api": "x"},
    }


async def test_any_other_event_takes_one_read_and_one_write_of_what_was_read() -> None:
    result, kube = await outcome(event(), stored(), {})
    assert result is Result.STORED
    assert kube.requests == ["PATCH talkdeskinstallations/sentiment-1"] * 2
    assert kube.asked[0].body == []
    assert kube.asked[1].body == [
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/metadata/generation", "value": 3},
        {"op": "add", "path": "/spec/request", "value": REQUEST.value},
        {"op": "add", "path": "/spec/accountName", "value": "acme"},
    ]


async def test_fields_that_the_cluster_does_not_know_fail_the_write() -> None:
    _, kube = await outcome(install(), {}, THERE, stored(), {})
    assert [asked.query.get("fieldValidation") for asked in kube.asked[1:]] == ["Strict"] * 3


@pytest.mark.case(1)
async def test_an_event_that_is_there_already_is_a_duplicate_and_writes_nothing() -> None:
    result, kube = await outcome(install(), THERE, stored(fields(REQUEST, CREDENTIALS)))
    assert result is Result.DUPLICATE
    assert kube.requests == ["POST secrets", "PATCH talkdeskinstallations/sentiment-1"]
    assert kube.asked[-1].body == []


@pytest.mark.case(12)
async def test_an_install_that_a_crash_interrupted_is_completed_with_its_secret() -> None:
    result, kube = await outcome(install(), THERE, GONE, {}, THERE)
    assert result is Result.STORED
    # The end of the object before this one may have taken the Secret along.
    assert kube.requests[-2:] == ["POST talkdeskinstallations", "POST secrets"]


async def test_all_deliveries_have_one_field_manager() -> None:
    _, kube = await outcome(install(), THERE, GONE, THERE, stored(), {}, THERE)
    assert {asked.query["fieldManager"] for asked in kube.asked} == {"talkdesk-webhook"}


@pytest.mark.case(15)
async def test_an_event_that_comes_before_its_install_creates_the_object() -> None:
    result, kube = await outcome(event(), GONE, {})
    assert result is Result.STORED
    assert kube.requests == ["PATCH talkdeskinstallations/sentiment-1", "POST talkdeskinstallations"]


async def test_two_first_events_at_once_are_both_stored() -> None:
    result, kube = await outcome(event(), GONE, THERE, stored(), {})
    assert result is Result.STORED
    assert len(kube.asked) == 4


@pytest.mark.parametrize(
    "answers",
    [(GONE, THERE, GONE, THERE), (stored(), TEST_FAILED) * 4, (stored(), GONE, THERE, *(stored(), TEST_FAILED) * 2)],
    ids=["created and deleted", "changed", "all of it"],
)
async def test_an_object_that_others_change_all_the_time_is_unavailable(answers: tuple[Any, ...]) -> None:
    with pytest.raises(InboxUnavailable):
        await outcome(event(), *answers)


@pytest.mark.case(73)
async def test_an_event_for_an_object_that_is_being_deleted_is_delivered_again() -> None:
    going = stored(deletionTimestamp="2026-03-01T12:00:00Z")
    others: tuple[tuple[Any, ...], ...]
    others = (going,), (GONE, THERE, going), (stored(), TEST_FAILED, going), (stored(), GONE, THERE, going)
    for answers in others:
        with pytest.raises(InboxUnavailable, match="being deleted"):
            await outcome(event(), *answers)
    installs: tuple[tuple[Any, ...], ...]
    installs = (THERE, going), ({}, THERE, going), (THERE, stored(), TEST_FAILED, going)
    for again in installs:
        with pytest.raises(InboxUnavailable, match="being deleted"):
            await outcome(install(), *again)
    # Also one that is there: the object that comes after this one has nothing of it.
    with pytest.raises(InboxUnavailable, match="being deleted"):
        await outcome(event(), stored(fields(REQUEST), deletionTimestamp="2026-03-01T12:00:00Z"))


@pytest.mark.case(73)
async def test_an_object_that_was_made_anew_in_between_is_read_again() -> None:
    result, kube = await outcome(event(), stored(), TEST_FAILED, stored(uid="u-2", generation=1), {})
    assert result is Result.STORED
    assert kube.asked[-1].body[:2] == [
        {"op": "test", "path": "/metadata/uid", "value": "u-2"},
        {"op": "test", "path": "/metadata/generation", "value": 1},
    ]


@pytest.mark.case(3)
async def test_an_old_event_is_stale() -> None:
    spec = {"request": {"eventId": "newer"}, "credentials": {"eventId": "newest"}}
    result, kube = await outcome(install(), {}, THERE, stored(spec), older("request", "credentials"))
    assert result is Result.STALE
    assert len(kube.asked) == 4


@pytest.mark.case(15)
async def test_of_a_late_install_only_newer_registers_are_stored() -> None:
    spec = {"request": {"eventId": "newer"}}
    result, kube = await outcome(install(), {}, THERE, stored(spec), older("request"), {})
    assert result is Result.STORED
    assert [step["path"] for step in kube.asked[-1].body[2:]] == ["/spec/credentials", "/spec/endpoints"]


async def test_registers_may_be_refused_one_after_the_other() -> None:
    result, _ = await outcome(install(), {}, THERE, stored(), older("request"), older("credentials"))
    assert result is Result.STALE


@pytest.mark.case(2)
async def test_the_same_event_id_with_another_content_is_a_conflict() -> None:
    result, _ = await outcome(event(), stored({"request": {"eventId": "event-1"}}), older("request"))
    assert result is Result.CONFLICT


@pytest.mark.case(67)
async def test_an_installation_of_another_account_is_never_written() -> None:
    with pytest.raises(OtherAccount):
        await outcome(event(), stored({"accountId": "another"}))


@pytest.mark.parametrize("ids", [{"installationId": "2"}, {"appRef": {"name": "other"}}], ids=str)
async def test_another_installation_under_the_name_is_never_written(ids: dict[str, Any]) -> None:
    with pytest.raises(InboxUnavailable):
        await outcome(event(), stored(ids))


@pytest.mark.case(10)
@pytest.mark.parametrize(
    "error",
    [
        KubeUnreachable("away"),
        KubeOverloaded("busy", timedelta(seconds=7)),
        KubeForbidden("no rights"),
        KubeForbidden("going", terminating=True),
        KubeConflict("again"),
        KubeRefused("strict decoding error"),
        KubeInvalid("too long", ("spec.request.reason",)),
    ],
    ids=lambda error: f"{type(error).__name__} {error}",
)
async def test_any_other_error_means_that_the_event_is_delivered_again(error: KubeError) -> None:
    scripts: list[list[dict[str, Any] | KubeError]] = [
        [error],
        [{}, error],
        [{}, THERE, error],
        [{}, THERE, stored(), error],
    ]
    for answers in scripts:
        with pytest.raises(InboxUnavailable) as caught:
            await outcome(install(), *answers)
        assert caught.value.retry_after == getattr(error, "retry_after", None)
    with pytest.raises(InboxUnavailable):
        await outcome(event(), error)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "x is forbidden: ValidatingAdmissionPolicy 'only-ours' with binding 'b' denied request: canary-made-up",
            "ValidatingAdmissionPolicy only-ours refused the event",
        ),
        (
            'admission webhook "validate.kyverno.svc-fail" denied the request: canary-made-up',
            "admission webhook validate.kyverno.svc-fail refused the event",
        ),
        ("canary-made-up", "an admission plugin refused the event"),
    ],
)
async def test_a_refusal_by_a_policy_names_it_and_quotes_nothing(said: str, words: str) -> None:
    with pytest.raises(InboxUnavailable) as caught:
        await outcome(event(), KubeAdmissionRefused(said))
    assert str(caught.value) == words


@pytest.mark.case(61)
async def test_no_error_quotes_the_content() -> None:
    for error in (KubeInvalid("Invalid value: canary-made-up", ("data",)), KubeRefused("canary-made-up")):
        with pytest.raises(InboxUnavailable) as caught:
            await outcome(install(), error)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


BROKEN = KubeUnreachable("the connection broke", broken=True)


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ((BROKEN, {}, {}), ["POST secrets", "POST secrets", "POST talkdeskinstallations"]),
        (({}, BROKEN, {}), ["POST secrets", "POST talkdeskinstallations", "POST talkdeskinstallations"]),
    ],
)
async def test_a_write_whose_connection_broke_is_made_once_more_before_the_sender_hears_of_it(
    answers: tuple[dict[str, Any] | KubeError, ...], requests: list[str]
) -> None:
    result, kube = await outcome(install(), *answers)
    assert result is Result.STORED
    assert kube.requests == requests


async def test_a_write_that_was_carried_out_though_its_connection_broke_is_found_again() -> None:
    whole = stored(fields(REQUEST, CREDENTIALS))
    result, kube = await outcome(install(), BROKEN, THERE, GONE, BROKEN, THERE, whole)
    assert result is Result.DUPLICATE
    assert kube.requests[-1] == "PATCH talkdeskinstallations/sentiment-1"
    before = stored({}, resourceVersion="7")
    result, kube = await outcome(event(), before, BROKEN, TEST_FAILED, stored(fields(REQUEST)))
    assert result is Result.DUPLICATE


@pytest.mark.parametrize("answers", [(BROKEN, BROKEN), (KubeUnreachable("no answer in time"),)])
async def test_a_connection_that_breaks_again_or_is_only_slow_is_the_senders_to_repeat(
    answers: tuple[KubeError, ...],
) -> None:
    with pytest.raises(InboxUnavailable):
        await outcome(event(), *answers)
