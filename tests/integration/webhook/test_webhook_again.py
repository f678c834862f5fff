"""Events that come again, or for an object that goes: nothing that was acknowledged is lost, or counts twice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from builders.place import Place
from builders.webhook_process import WebhookProcess, webhook_process
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import ANNOTATION_CONFIRM_DELETION

LATER = "2026-03-01T12:00:01Z"
NAME = "sentiment-5c1f0a9b"


def moment(ahead: timedelta = timedelta()) -> str:
    return to_wire_time(datetime.now(UTC) + ahead)


def delete(place: Place) -> None:
    confirmed = f"{ANNOTATION_CONFIRM_DELETION}=true"
    place.cluster.kubectl("annotate", "tdi", NAME, "-n", place.namespace, "--overwrite", confirmed)
    place.cluster.kubectl("delete", "tdi", NAME, "-n", place.namespace, "--wait=false")


def release(place: Place) -> None:
    patch = '{"metadata": {"finalizers": null}}'
    place.cluster.kubectl("patch", "tdi", NAME, "-n", place.namespace, "--type=merge", "-p", patch)


@pytest.mark.case(73)
async def test_an_event_for_an_object_that_is_being_deleted_is_stored_when_it_is_gone(
    place: Place, webhook: WebhookProcess
) -> None:
    await webhook.result(place.installed(), place.signer)
    delete(place)
    async with webhook_process(place.kubeconfig, place.namespace) as other:
        bodies = [
            place.uninstalled(created_at=LATER),
            place.rotated(created_at=LATER),
            place.event("app.trial_started"),
            place.installed(),
        ]
        posts = [each.post(body, place.signer) for body in bodies for each in (webhook, other)]
        answers = await asyncio.gather(*posts)
        assert {(each.status_code, each.json()["reason"]) for each in answers} == {(503, "not_stored")}
        assert set(place.installation()["spec"]) & {"trial"} == set()
        release(place)
        assert place.installations() == {}
        results = await asyncio.gather(*(each.result(bodies[0], place.signer) for each in (webhook, other)))
    assert sorted(results) == ["duplicate", "stored"]
    assert place.installation()["spec"]["request"]["type"] == "Uninstall"


@pytest.mark.case(73)
async def test_nothing_acknowledged_is_lost_while_an_object_is_deleted_and_made_anew_all_the_time(
    place: Place, webhook: WebhookProcess
) -> None:
    await webhook.result(place.installed(), place.signer)
    acknowledged = set[int]()

    async def send(number: int) -> None:
        body = place.event("app.updated", id=f"update-{number}", created_at=f"2026-03-02T12:00:{number:02}Z")
        if (await webhook.post(body, place.signer)).status_code == 200:
            acknowledged.add(number)

    for number in range(0, 40, 5):
        sending = asyncio.gather(*(send(each) for each in range(number, number + 5)))
        await asyncio.to_thread(delete, place)
        await sending
        # All that was acknowledged for this object came before its deletion: the newest of it is there.
        if acknowledged:
            assert place.installation()["spec"]["request"]["eventId"] == f"update-{max(acknowledged)}"
        await asyncio.to_thread(release, place)
        acknowledged.clear()
        await webhook.result(place.installed(), place.signer)


@pytest.mark.case(35)
@pytest.mark.parametrize("kind", ["app.installed", "app.updated"])
async def test_an_event_from_the_future_that_is_delivered_again_does_not_undo_an_uninstall(
    place: Place, webhook: WebhookProcess, kind: str
) -> None:
    later = moment(timedelta(hours=1))
    body = place.installed(created_at=later) if kind == "app.installed" else place.event(kind, created_at=later)
    await webhook.result(body, place.signer)
    await webhook.result(place.uninstalled(created_at=moment()), place.signer)
    before = place.installation()
    assert before["spec"]["request"]["type"] == "Uninstall"
    async with webhook_process(place.kubeconfig, place.namespace) as other:
        for each in (webhook, other) * 3:
            assert await each.result(body, place.signer) in {"stale", "duplicate"}
    assert place.installation() == before


@pytest.mark.case(1, 35)
async def test_an_event_from_the_future_at_two_replicas_at_once_has_one_time(
    place: Place, webhook: WebhookProcess
) -> None:
    body = place.event("app.updated", created_at="9999-12-31T23:59:59Z")
    await webhook.result(place.installed(), place.signer)
    async with webhook_process(place.kubeconfig, place.namespace) as other:
        results = await asyncio.gather(
            *(each.result(body, place.signer) for each in (webhook, other) for _ in range(10))
        )
    assert sorted(results) == ["duplicate"] * 19 + ["stored"]


async def test_many_events_leaves_one_entry_of_the_webhook_in_managed_fields(
    place: Place, webhook: WebhookProcess
) -> None:
    await webhook.result(place.installed(), place.signer)
    for day in range(1, 29):
        noon = f"2026-04-{day:02}T12:00:00Z"
        await webhook.result(place.event("app.updated", id=f"update-{day}", created_at=noon), place.signer)
        await webhook.result(place.rotated(mark=str(day), id=f"rotation-{day}", created_at=noon), place.signer)
        await webhook.result(place.event("app.trial_extended", id=f"t-{day}", created_at=noon), place.signer)
    managers = [entry["manager"] for entry in place.installation()["metadata"]["managedFields"]]
    assert managers == ["talkdesk-webhook"]
