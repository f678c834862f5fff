"""Which events the webhook accepts as genuine, with real keys, a real gateway and a real API server."""

import json
from typing import Any

import pytest

from builders.events import Signer, encode
from builders.place import Place
from builders.webhook_process import WebhookProcess, apply_app, gateway, webhook_process

CANARIES = {
    "client_id": "canary-id",
    "client_secret": "canary-secret",
    "private_key": "canary-private-key",
    "public_key": "canary-public-key",
    "key_id": "canary-key-id",
}


@pytest.mark.case(67, 14)
async def test_forged_events_change_nothing(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.installed(), place.signer)
    objects, secrets = place.installations(), place.secrets()
    forged = place.installed({"client_secret": "forged"}, created_at="2027-01-01T00:00:00Z")
    raw = encode(forged)
    async with gateway(forger := Signer("key-of-a-forger")) as foreign:
        pointing_home = encode(forged | {"_links": foreign.links()})
        attempts: list[tuple[bytes, dict[str, str], int]] = [
            (raw, {"Content-Type": "application/json"}, 401),
            (raw, Signer(place.signer.key_id).headers(raw), 401),
            (raw, forger.headers(raw), 401),
            (pointing_home, forger.headers(pointing_home), 401),
            (pointing_home, place.signer.headers(pointing_home), 403),
            (raw.replace(b"forged", b"FORGED"), place.signer.headers(raw), 401),
            (other := encode(forged | {"app_id": "other"}), place.signer.headers(other), 403),
        ]
        for body, headers, status in attempts:
            url = f"/events/{webhook.namespace}/sentiment"
            assert (await webhook.client.post(url, content=body, headers=headers)).status_code == status
        assert foreign.asked == []
    assert (place.installations(), place.secrets()) == (objects, secrets)


@pytest.mark.case(4, 5)
async def test_talkdesk_may_change_its_key_at_any_time(place: Place, webhook: WebhookProcess) -> None:
    new = Signer("a-newer-key")
    assert (await webhook.post(place.installed(), new)).status_code == 401
    await webhook.result(place.installed(), place.signer)
    third = Signer("a-third-key")
    place.gateway.signers = [third]
    assert await webhook.result(place.installed(), third) == "duplicate"
    assert await webhook.result(place.installed(), place.signer) == "duplicate"
    assert place.gateway.asked.count(place.signer.key_id) == 1
    place.gateway.signers.append(new)
    assert (await webhook.post(place.installed(), new)).status_code == 401  # remembered as unknown for a minute


@pytest.mark.case(4)
async def test_while_the_gateway_is_down_known_keys_are_used_and_new_ones_get_a_503(
    place: Place, webhook: WebhookProcess
) -> None:
    await webhook.result(place.installed(), place.signer)
    place.gateway.down = True
    assert await webhook.result(place.installed(), place.signer) == "duplicate"
    response = await webhook.post(place.installed(), Signer("a-newer-key"))
    assert (response.status_code, response.json()["reason"]) == (503, "key_unavailable")
    assert "retry-after" in response.headers


async def test_unknown_key_ids_reach_the_gateway_a_few_times_only(place: Place, webhook: WebhookProcess) -> None:
    statuses = [(await webhook.post(place.installed(), Signer(f"made-up-{n}"))).status_code for n in range(60)]
    assert set(statuses) == {401, 503}
    assert len(place.gateway.asked) < 40


async def test_an_app_is_found_by_namespace_and_name_and_its_changes_take_effect(
    place: Place, webhook: WebhookProcess
) -> None:
    assert (await webhook.post(place.installed(), place.signer, app="other")).status_code == 404
    apply_app(place.cluster, place.namespace, place.gateway, "open", events={"signatureVerification": "Disabled"})
    url = f"/events/{webhook.namespace}/open"
    response = await webhook.client.post(url, json=place.installed())
    assert response.json() == {"result": "stored"}


@pytest.mark.case(61)
async def test_debug_logs_metrics_and_responses_hold_no_secret(place: Place) -> None:
    async with webhook_process(place.kubeconfig, place.namespace, log_level="DEBUG") as webhook:
        bodies: list[dict[str, Any]] = [
            place.installed(CANARIES),
            place.installed(CANARIES),
            place.rotated(CANARIES | {"client_secret": "canary-2"}, created_at="2026-03-02T00:00:00Z"),
            place.installed(CANARIES | {"client_id": None}),
            place.installed(CANARIES, app_id="other"),
            place.installed(CANARIES | {"account_id": "canary-account"}),
            place.event("user.logout", {"user_email": "canary@example.com", "user_id": "canary-user"}),
        ]
        answers = [(await webhook.post(body, place.signer)).text for body in bodies]
        answers += [(await webhook.post(place.installed(CANARIES), Signer())).text]
        answers += [(await webhook.post(encode(place.installed(CANARIES))[:-1], place.signer)).text]
        answers += [(await webhook.fetch("/metrics")).text]
    assert "canary" not in "".join(answers)
    log = webhook.log.decode()
    assert "canary" not in log
    assert {json.loads(line)["level"] for line in log.splitlines()} >= {"debug", "info"}
    for installation in place.installations().values():
        assert "canary" not in json.dumps(installation)
