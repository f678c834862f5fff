"""What becomes of events in a real API server, stored by a webhook that has its exact rights and no more."""

import asyncio
import base64
from typing import Any

import pytest

from builders.events import material, rotated
from builders.place import Place
from builders.webhook_process import WebhookProcess, apply_app, webhook_process
from talkdesk_crds.names import GROUP

NOON = "2026-03-01T12:00:00Z"
LATER = "2026-03-01T12:00:01Z"
LATEST = "2026-03-01T12:00:02Z"


async def test_an_install_becomes_an_object_and_an_immutable_secret(place: Place, webhook: WebhookProcess) -> None:
    assert await webhook.result(place.installed(), place.signer) == "stored"
    made = place.installation()
    assert made["metadata"]["finalizers"] == [f"{GROUP}/tenant"]
    assert made["spec"]["request"]["type"] == "Install"
    assert made["spec"]["accountName"] == "acme"
    assert made["spec"]["endpoints"]["api"] == place.gateway.url
    (name,) = [name for name, one in place.secrets().items() if one["type"] == f"{GROUP}/credentials"]
    assert made["spec"]["credentials"]["secretName"] == name
    secret = place.secrets()[name]
    assert secret["immutable"] is True
    assert secret["metadata"]["labels"][f"{GROUP}/installation"] == made["metadata"]["name"]
    assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == material()


@pytest.mark.case(1)
async def test_one_event_at_two_replicas_at_once_is_stored_once(place: Place, webhook: WebhookProcess) -> None:
    async with webhook_process(place.kubeconfig, place.namespace) as other:
        for body in (place.installed(), place.uninstalled(created_at=LATER)):
            results = await asyncio.gather(
                *(replica.result(body, place.signer) for replica in (webhook, other) for _ in range(10))
            )
            assert sorted(results) == ["duplicate"] * 19 + ["stored"]
    assert len(place.secrets()) == 1
    assert place.installation()["metadata"]["generation"] == 2


@pytest.mark.case(1, 12)
async def test_a_repeated_event_does_not_change_the_object(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.installed(), place.signer)
    before = place.installation()
    assert await webhook.result(place.installed(), place.signer) == "duplicate"
    assert place.installation() == before


@pytest.mark.case(2)
async def test_the_same_event_id_with_another_body_changes_nothing_and_logs_a_warning(
    place: Place, webhook: WebhookProcess
) -> None:
    await webhook.result(place.uninstalled(), place.signer)
    before = place.installation()
    changed = place.uninstalled({"reason": "something else"})
    assert await webhook.result(changed, place.signer) == "conflict"
    assert place.installation() == before
    assert b'"warning"' in webhook.log
    metrics = (await webhook.fetch("/metrics")).text
    assert 'talkdesk_webhook_events_total{result="conflict",type="app.uninstalled"} 1.0' in metrics


@pytest.mark.case(3)
async def test_an_old_install_delivered_months_later_changes_nothing(place: Place, webhook: WebhookProcess) -> None:
    old = place.installed({"account_name": "old-name"})
    await webhook.result(old, place.signer)
    rotation = place.rotated(created_at="2026-06-01T00:00:00Z")
    assert await webhook.result(rotation, place.signer) == "stored"
    update = place.event("app.updated", {"account_name": "new-name"}, created_at="2026-06-02T00:00:00Z")
    assert await webhook.result(update, place.signer) == "stored"
    before = place.installation()
    assert await webhook.result(old, place.signer) == "stale"
    assert place.installation() == before
    assert before["spec"]["accountName"] == "new-name"
    assert before["spec"]["credentials"]["eventId"] == "event-app.credentials_rotated"


@pytest.mark.case(15)
async def test_of_a_late_install_after_its_uninstall_only_the_credentials_are_stored(
    place: Place, webhook: WebhookProcess
) -> None:
    assert await webhook.result(place.uninstalled(created_at=LATER), place.signer) == "stored"
    assert "credentials" not in place.installation()["spec"]
    assert await webhook.result(place.installed(created_at=NOON), place.signer) == "stored"
    spec = place.installation()["spec"]
    assert (spec["request"]["type"], spec["credentials"]["eventId"]) == ("Uninstall", "event-app.installed")
    assert spec["endpoints"]["api"] == place.gateway.url
    assert await webhook.result(place.installed(created_at=NOON), place.signer) == "stale"


@pytest.mark.case(20)
@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")], ids=str)
async def test_a_rotation_wins_over_an_install_of_the_same_second_in_either_order(
    place: Place, webhook: WebhookProcess, ids: tuple[str, str]
) -> None:
    def events(installation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        data = {"installation_id": installation}
        return place.installed(data, id=ids[0]), place.rotated(data, id=ids[1])

    install, rotation = events("one")
    assert [await webhook.result(each, place.signer) for each in (install, rotation)] == ["stored", "stored"]
    assert await webhook.result(install, place.signer) == "stale"
    install, rotation = events("two")
    # The install's request is new; its credentials are not.
    assert [await webhook.result(each, place.signer) for each in (rotation, install)] == ["stored", "stored"]
    assert await webhook.result(rotation, place.signer) == "duplicate"
    for name in ("sentiment-one", "sentiment-two"):
        spec = place.installation(name)["spec"]
        assert spec["request"]["type"] == "Install"
        assert (spec["credentials"]["origin"], spec["credentials"]["eventId"]) == ("Rotation", ids[1])


@pytest.mark.case(20)
async def test_of_two_rotations_of_one_second_the_same_one_wins_in_either_order(
    place: Place, webhook: WebhookProcess
) -> None:
    for name, order in (("one", "ab"), ("two", "ba")):
        for mark in order:
            body = rotated({"installation_id": name}, mark=mark, id=mark, _links=place.gateway.links())
            assert await webhook.result(body, place.signer) in {"stored", "stale"}
        assert place.installation(f"sentiment-{name}")["spec"]["credentials"]["eventId"] == "b"


@pytest.mark.case(2)
async def test_the_same_event_id_never_replaces_credentials(place: Place, webhook: WebhookProcess) -> None:
    for make in (place.installed, place.rotated):
        await webhook.result(make(id="first"), place.signer)
        before = place.installation()
        changed = place.rotated({"client_id": "another"}, id="first")
        assert await webhook.result(changed, place.signer) == "conflict"
        assert place.installation() == before


@pytest.mark.case(18)
async def test_an_update_records_what_changes(place: Place, webhook: WebhookProcess) -> None:
    change = {"users": {"adding": ["user-1"]}, "subscription": {"adding": {"name": "Pro\nPlus", "licenses": "10"}}}
    assert await webhook.result(place.event("app.updated", change), place.signer) == "stored"
    made = place.installation()
    assert made["spec"]["request"]["changes"] == "1 user added; plan Pro Plus; 10 licenses"
    assert "user-1" not in str(made)
    other = place.event("app.updated", {"users": {"removing": ["user-1"]}})
    assert await webhook.result(other, place.signer) == "conflict"


@pytest.mark.case(19)
async def test_a_trials_end_wins_over_its_start_of_the_same_second_in_either_order(
    place: Place, webhook: WebhookProcess
) -> None:
    kinds = ("app.trial_started", "app.trial_extended", "app.trial_ended")
    for name, order in (("one", kinds), ("two", kinds[::-1])):
        for kind in order:
            await webhook.result(place.event(kind, {"installation_id": name}), place.signer)
        assert place.installation(f"sentiment-{name}")["spec"]["trial"]["state"] == "Ended"


@pytest.mark.case(13)
async def test_a_burst_of_rotations_is_stored_in_the_end_although_most_are_delivered_again(place: Place) -> None:
    ids = [f"i{number}" for number in range(30)]
    async with webhook_process(place.kubeconfig, place.namespace, max_in_flight="3") as webhook:
        for each in ids[:5]:
            await webhook.result(place.installed({"installation_id": each}, id=f"install-{each}"), place.signer)
        left = [place.rotated({"installation_id": each}, id=f"rotation-{each}", created_at=LATER) for each in ids]
        left.insert(15, place.installed({"installation_id": "new"}))
        refused = 0
        while left:
            answers = await asyncio.gather(*(webhook.post(body, place.signer) for body in left))
            assert all(answer.status_code == 200 or "retry-after" in answer.headers for answer in answers)
            left = [body for body, answer in zip(left, answers, strict=True) if answer.status_code == 503]
            refused += len(left)
    assert refused > 0
    made = place.installations()
    assert {made[f"sentiment-{each}"]["spec"]["credentials"]["eventId"] for each in ids} == {
        f"rotation-{each}" for each in ids
    }
    assert made["sentiment-new"]["spec"]["request"]["type"] == "Install"


async def test_every_kind_of_event_is_stored_in_its_register_in_any_order(
    place: Place, webhook: WebhookProcess
) -> None:
    events = [
        place.event("app.trial_ended", {"ended_reason": "plan_upgraded"}, created_at=LATEST),
        place.rotated(created_at=LATER),
        place.event("app.trial_started", {"expires_at": "2026-04-01T00:00:00Z"}, created_at=LATER),
        place.event("app.updated", created_at=LATER),
        place.installed(created_at=NOON),
        place.uninstalled(created_at=LATEST),
    ]
    results = [await webhook.result(body, place.signer) for body in events]
    assert results == ["stored", "stored", "stale", "stored", "stale", "stored"]
    spec = place.installation()["spec"]
    assert (spec["request"]["type"], spec["trial"]["state"]) == ("Uninstall", "Ended")
    assert spec["credentials"]["eventId"] == "event-app.credentials_rotated"


async def test_of_two_requests_at_one_instant_the_uninstall_wins(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.uninstalled(), place.signer)
    assert await webhook.result(place.installed(), place.signer) == "stored"  # its credentials
    assert place.installation()["spec"]["request"]["type"] == "Uninstall"


@pytest.mark.case(67)
async def test_an_event_that_names_another_account_changes_nothing(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.installed(), place.signer)
    before = place.installation()
    response = await webhook.post(place.uninstalled({"account_id": "other"}, created_at=LATER), place.signer)
    assert (response.status_code, response.json()["reason"]) == (403, "foreign_account")
    assert place.installation() == before


@pytest.mark.case(57)
async def test_an_account_name_is_only_a_value(place: Place, webhook: WebhookProcess) -> None:
    names = ["🎧" * 300, "x" * 300, "quote\"s'`", "${tenant.name}", "line\nbreak", "Ünïcödé", "\u202eleft", "\x00\x7f"]
    for number, name in enumerate(names):
        body = place.installed({"account_name": name, "installation_id": f"no{number}"})
        assert await webhook.result(body, place.signer) == "stored"
    made = place.installations()
    assert [made[f"sentiment-no{number}"]["spec"]["accountName"] for number in range(len(names))] == names


@pytest.mark.case(57)
async def test_every_installation_id_has_an_object_name_of_its_own(place: Place, webhook: WebhookProcess) -> None:
    ids = ["x" * 128, "UPPER", "upper", "🎧", "../..", "a-b", "-", "${x}", "a" * 60, "a b", "a.b"]
    for installation_id in ids:
        body = place.installed({"installation_id": installation_id})
        assert await webhook.result(body, place.signer) == "stored"
        again = place.uninstalled({"installation_id": installation_id}, created_at=LATER)
        assert await webhook.result(again, place.signer) == "stored"
    made = place.installations().values()
    assert sorted(one["spec"]["installationId"] for one in made) == sorted(ids)


@pytest.mark.case(59)
async def test_two_apps_with_one_account_and_one_installation_id_share_nothing(
    place: Place, webhook: WebhookProcess
) -> None:
    apply_app(place.cluster, place.namespace, place.gateway, "sentiment-eu")
    assert await webhook.result(place.installed(), place.signer) == "stored"
    assert await webhook.result(place.installed(), place.signer, app="sentiment-eu") == "stored"
    assert {one["spec"]["appRef"]["name"] for one in place.installations().values()} == {"sentiment", "sentiment-eu"}
    assert len(place.secrets()) == 2


@pytest.mark.case(8)
async def test_an_unknown_type_leaves_nothing(place: Place, webhook: WebhookProcess) -> None:
    assert await webhook.result(place.event("app.renamed"), place.signer) == "ignored"
    assert await webhook.result(place.event("user.logout", {"user_email": "a@b.example"}), place.signer) == "ignored"
    assert place.installations() == {}


async def test_many_events_do_not_make_managed_fields_grow(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.installed(), place.signer)
    for minute in range(30):
        body = place.event("app.updated", id=f"update-{minute}", created_at=f"2026-03-02T12:{minute:02}:00Z")
        assert await webhook.result(body, place.signer) == "stored"
    assert len(place.installation()["metadata"]["managedFields"]) <= 3
