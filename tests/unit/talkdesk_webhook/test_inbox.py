from datetime import timedelta
from typing import Any

import pytest

from builders.events import NOON
from builders.scripted_kube import ScriptedKube, stored
from talkdesk_crds.names import GROUP
from talkdesk_runtime.kube_errors import (
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
SECRET = SecretDraft("s", {"client_secret": "canary-made-up"}, NOON)
THERE = KubeAlreadyExists("there")
GONE = KubeNotFound("gone")


def older(*registers: str) -> KubeInvalid:
    return KubeInvalid("older", tuple(f"spec.{register}" for register in registers))


def event(**overrides: Any) -> EventRecord:
    return EventRecord(
        **{
            "namespace": "team",
            "app": "sentiment",
            "name": "sentiment-1",
            "installation_id": "1",
            "account_id": "acc",
            "registers": (REQUEST,),
        }
        | overrides
    )


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
        "annotations": {f"{GROUP}/event-time": "2026-03-01T12:00:00Z"},
    }
    assert created["metadata"] == {
        "name": "sentiment-1",
        "namespace": "team",
        "labels": {f"{GROUP}/app": "sentiment"},
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


async def test_any_other_event_takes_one_write() -> None:
    result, kube = await outcome(event(), stored())
    assert result is Result.STORED
    assert kube.requests == ["PATCH talkdeskinstallations/sentiment-1"]
    assert kube.asked[0].body == [
        {"op": "add", "path": "/spec/accountId", "value": "acc"},
        {"op": "add", "path": "/spec/request", "value": REQUEST.value},
        {"op": "add", "path": "/spec/accountName", "value": "acme"},
    ]


async def test_fields_that_the_cluster_does_not_know_fail_the_write() -> None:
    _, kube = await outcome(install(), {}, THERE, stored())
    assert [asked.query.get("fieldValidation") for asked in kube.asked[1:]] == ["Strict", "Strict"]


@pytest.mark.case(1)
async def test_an_event_that_changed_nothing_is_a_duplicate() -> None:
    result, kube = await outcome(install(), THERE, stored(changed=False))
    assert result is Result.DUPLICATE
    assert kube.requests == ["POST secrets", "PATCH talkdeskinstallations/sentiment-1"]


@pytest.mark.case(12)
async def test_an_install_that_a_crash_interrupted_is_completed() -> None:
    result, kube = await outcome(install(), THERE, GONE, {})
    assert result is Result.STORED
    assert kube.requests[-1] == "POST talkdeskinstallations"


async def test_each_delivery_has_a_field_manager_of_its_own() -> None:
    _, one = await outcome(event(), stored())
    _, other = await outcome(event(), stored())
    assert one.asked[0].query["fieldManager"] != other.asked[0].query["fieldManager"]


@pytest.mark.case(15)
async def test_an_event_that_comes_before_its_install_creates_the_object() -> None:
    result, kube = await outcome(event(), GONE, {})
    assert result is Result.STORED
    assert kube.requests == ["PATCH talkdeskinstallations/sentiment-1", "POST talkdeskinstallations"]


async def test_two_first_events_at_once_are_both_stored() -> None:
    result, kube = await outcome(event(), GONE, THERE, stored())
    assert result is Result.STORED
    assert len(kube.asked) == 3


async def test_an_object_that_is_created_and_deleted_all_the_time_is_unavailable() -> None:
    with pytest.raises(InboxUnavailable):
        await outcome(event(), GONE, THERE, GONE, THERE)


@pytest.mark.case(3)
async def test_an_old_event_is_stale() -> None:
    spec = {"request": {"eventId": "newer"}, "credentials": {"eventId": "newest"}}
    result, kube = await outcome(install(), {}, THERE, older("request", "credentials"), stored(spec, changed=False))
    assert result is Result.STALE
    assert kube.asked[-1].body == [{"op": "add", "path": "/spec/accountId", "value": "acc"}]


@pytest.mark.case(15)
async def test_of_a_late_install_only_newer_registers_are_stored() -> None:
    spec = {"request": {"eventId": "newer"}}
    result, kube = await outcome(install(), {}, THERE, older("request"), stored(spec))
    assert result is Result.STORED
    assert [step["path"] for step in kube.asked[-1].body] == ["/spec/accountId", "/spec/credentials", "/spec/endpoints"]


async def test_registers_may_be_refused_one_after_the_other() -> None:
    result, _ = await outcome(install(), {}, THERE, older("request"), older("credentials"), stored({}, changed=False))
    assert result is Result.STALE


@pytest.mark.case(2)
async def test_the_same_event_id_with_another_content_is_a_conflict() -> None:
    result, _ = await outcome(event(), older("request"), stored({"request": {"eventId": "event-1"}}, changed=False))
    assert result is Result.CONFLICT


@pytest.mark.case(67)
async def test_an_installation_of_another_account_is_never_written() -> None:
    with pytest.raises(OtherAccount):
        await outcome(event(), older("accountId", "request"))


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
        KubeInvalid("test failed"),
    ],
    ids=lambda error: f"{type(error).__name__} {error}",
)
async def test_any_other_error_means_that_the_event_is_delivered_again(error: KubeError) -> None:
    scripts: list[list[dict[str, Any] | KubeError]] = [[error], [{}, error], [{}, THERE, error]]
    for answers in scripts:
        with pytest.raises(InboxUnavailable) as caught:
            await outcome(install(), *answers)
        assert caught.value.retry_after == getattr(error, "retry_after", None)
    with pytest.raises(InboxUnavailable):
        await outcome(event(), error)


@pytest.mark.case(61)
async def test_no_error_quotes_the_content() -> None:
    for error in (KubeInvalid("Invalid value: canary-made-up", ("data",)), KubeRefused("canary-made-up")):
        with pytest.raises(InboxUnavailable) as caught:
            await outcome(install(), error)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
