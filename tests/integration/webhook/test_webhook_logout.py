"""Logouts on their whole way: from Talkdesk through the webhook's process to the partner's own endpoint."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from builders.events import encode
from builders.logout_endpoint import SECRET, LogoutEndpoint, logout_endpoint
from builders.place import Place
from builders.serving import until
from builders.webhook_process import Gateway, WebhookProcess, apply_app, webhook_process
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.standard_webhooks import message_id
from talkdesk_sandbox.simulator import Behavior, Settings, SimulatorServer
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID

CANARIES = {"user_id": "canary-user", "user_email": "canary@example.com"}


def allow(place: Place) -> None:
    """Let the webhook read the one Secret, as components/app-logout does."""
    kubectl, here = place.cluster.kubectl, ("-n", place.namespace)
    kubectl("create", "role", "logout", "--verb=get", "--resource=secrets", "--resource-name=single-logout", *here)
    account = f"--serviceaccount={place.namespace}:webhook"
    kubectl("create", "rolebinding", "logout", "--role=logout", account, *here)


def keep_key(place: Place) -> None:
    place.cluster.kubectl(
        "create", "secret", "generic", "single-logout", f"--from-literal=key={SECRET}", "-n", place.namespace
    )


def release(place: Place, endpoint: LogoutEndpoint) -> None:
    """Let the key be used for the endpoint's host."""
    host = f"{ANNOTATION_FOR_HOSTS}={host_of(endpoint.url)}"
    place.cluster.kubectl("annotate", "secret", "single-logout", host, "--overwrite", "-n", place.namespace)


def logout_to(endpoint: LogoutEndpoint, timeout: str = "2s") -> dict[str, Any]:
    ref = {"name": "single-logout", "key": "key"}
    return {"url": endpoint.url, "secretRef": ref, "timeout": timeout, "allowInsecure": True}


@asynccontextmanager
async def ready(
    place: Place, timeout: str = "2s", **settings: str
) -> AsyncIterator[tuple[WebhookProcess, LogoutEndpoint]]:
    allow(place)
    keep_key(place)
    async with (
        logout_endpoint() as endpoint,
        webhook_process(place.kubeconfig, place.namespace, log_level="DEBUG", **settings) as webhook,
    ):
        apply_app(place.cluster, place.namespace, place.gateway, logout=logout_to(endpoint, timeout))
        release(place, endpoint)
        yield webhook, endpoint


def refused(response: httpx.Response) -> str:
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert "canary" not in response.text
    reason: str = response.json()["reason"]
    return reason


async def test_a_logout_reaches_the_app_signed_and_unchanged(place: Place) -> None:
    allow(place)
    keep_key(place)
    behavior = Behavior(retry_delays=(timedelta(0), timedelta(0)))
    async with (
        logout_endpoint() as endpoint,
        webhook_process(place.kubeconfig, place.namespace, log_level="DEBUG") as webhook,
    ):
        release(place, endpoint)
        callback = f"http://127.0.0.1:{webhook.port}/events/{place.namespace}/sentiment-live"
        async with SimulatorServer(Settings(callback_url=callback, behavior=behavior)) as talkdesk:
            spec = {"appId": DEFAULT_APP_ID, "logout": logout_to(endpoint)}
            apply_app(place.cluster, place.namespace, Gateway([], talkdesk.url), "sentiment-live", **spec)
            await talkdesk.client.install(account="acme")
            endpoint.statuses = [500]  # it is sent again
            outcome = await talkdesk.client.logout(account="acme")
            (event,) = outcome.events
            dispatcher = talkdesk.simulator.dispatcher
            await until(lambda: any(each.event.id == event.id and each.state == "delivered" for each in dispatcher.log))
            signed = await talkdesk.client.sign(event.id)
        body = signed.body.encode()
        assert endpoint.came == [(event.id, body)] * 2
        user = json.loads(body)["data"]
        assert user["user_email"].encode() not in webhook.log
        assert user["user_id"].encode() not in webhook.log
        metrics = (await webhook.fetch("/metrics")).text
    assert 'talkdesk_webhook_events_total{result="relayed",type="user.logout"} 1.0' in metrics
    assert 'talkdesk_webhook_refused_total{reason="logout_refused",status="503"} 1.0' in metrics
    assert all(user["user_id"] not in json.dumps(each) for each in place.installations().values())


async def test_a_logout_gets_a_503_until_the_secret_exists_may_be_read_and_is_for_this_host(place: Place) -> None:
    body = place.event("user.logout", CANARIES)
    settings = {"app_refresh_interval": "1s", "log_level": "DEBUG"}
    async with (
        logout_endpoint() as endpoint,
        webhook_process(place.kubeconfig, place.namespace, **settings) as webhook,
    ):
        apply_app(place.cluster, place.namespace, place.gateway, logout=logout_to(endpoint))
        assert refused(await webhook.post(body, place.signer)) == "logout_key"
        keep_key(place)
        assert refused(await webhook.post(body, place.signer)) == "logout_key"
        assert endpoint.came == []
        assert await webhook.result(place.installed(), place.signer) == "stored"
        allow(place)
        # Whoever writes apps chooses the endpoint; whoever may change the Secret says that it is meant.
        assert refused(await webhook.post(body, place.signer)) == "logout_key"
        assert endpoint.came == []
        release(place, endpoint)

        async def goes_on() -> bool:
            return (await webhook.post(body, place.signer)).status_code == 200

        await until(goes_on)
        assert endpoint.came == [(message_id(body["id"]), encode(body))]
    log = webhook.log.decode()
    assert "canary" not in log
    assert SECRET not in log
    assert SECRET.removeprefix("whsec_") not in log


@pytest.mark.case(61, 64)
async def test_a_logout_gets_a_503_while_the_endpoint_is_down_slow_or_redirects(place: Place) -> None:
    body = place.event("user.logout", CANARIES)
    async with ready(place, "1s") as (webhook, endpoint):
        for status in (301, 307, 401, 404, 500):
            endpoint.statuses, endpoint.headers = [status], {"Location": "/elsewhere?canary"}
            assert refused(await webhook.post(body, place.signer)) == "logout_refused"
        assert endpoint.elsewhere == []
        endpoint.status, endpoint.body = 200, b"canary" * 1000
        assert await webhook.result(body, place.signer) == "relayed"
        endpoint.open.clear()
        assert refused(await webhook.post(body, place.signer)) == "logout_timeout"
        assert await webhook.result(place.installed(), place.signer) == "stored"
        metrics = (await webhook.fetch("/metrics")).text
    assert 'talkdesk_webhook_refused_total{reason="logout_refused",status="503"} 5.0' in metrics
    assert "canary" not in metrics
    log = webhook.log.decode()
    assert "canary" not in log
    assert SECRET not in log
    assert log.count('"logout.not_forwarded"') == 6
    assert "canary" not in json.dumps(place.installations())


@pytest.mark.case(13, 64)
async def test_a_silent_endpoint_takes_no_slot_from_installations(place: Place) -> None:
    body = place.event("user.logout", CANARIES)
    settings = {"max_in_flight": "8", "max_logouts_in_flight": "4"}
    async with ready(place, "1h", request_timeout="3s", **settings) as (webhook, endpoint):
        endpoint.open.clear()
        hanging = [asyncio.create_task(webhook.post(body, place.signer)) for _ in range(4)]
        await until(lambda: endpoint.waiting == 4)
        assert refused(await webhook.post(body, place.signer)) == "logout_busy"
        assert await webhook.result(place.installed(), place.signer) == "stored"
        assert [refused(answer) for answer in await asyncio.gather(*hanging)] == ["timeout"] * 4
