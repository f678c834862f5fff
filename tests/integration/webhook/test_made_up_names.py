"""A webhook in a flood of made-up apps and key ids: no real event is refused, and nobody is asked without end."""

import asyncio
import json
import ssl
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders.events import Signer
from builders.flood import ADDRESS, Flood, flooding
from builders.kube_gate import KubeGate, gate
from builders.place import Place
from builders.say import Say
from builders.serving import until
from builders.webhook_process import WebhookProcess, apply_app, webhook_process
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.kube import Kube, resource_path

SECONDS = 8.0
APPS = "/apis/.*/talkdeskapps.*"


@dataclass
class Real:
    """Real events, one after the other, and what became of them."""

    place: Place
    webhook: WebhookProcess
    signer: Signer
    taken: int = 0
    refused: list[str] = field(default_factory=list)

    async def one(self, **data: Any) -> bool:
        """Send one about an installation of its own."""
        number = self.taken + len(self.refused)
        body = self.place.uninstalled({"installation_id": f"{self.signer.key_id}{number}"} | data, id=f"e{number}")
        answer = await self.webhook.post(body, self.signer)
        if answer.status_code == 200:
            self.taken += 1
        else:
            self.refused.append(answer.text)
        return answer.status_code == 200

    async def during(self, seconds: float, **data: Any) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self.one(**data)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def behind_a_gate(place: Place, folder: Path, **settings: str) -> AsyncIterator[tuple[WebhookProcess, KubeGate]]:
    """Run a webhook, and count its requests to the API server."""
    config = json.loads(place.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    async with gate(cluster["server"], trust) as counted:
        config["clusters"][0]["cluster"] = {"server": counted.url}
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        async with webhook_process(path, place.namespace, **settings) as webhook:
            yield webhook, counted


def say_all(say: Say, flood: Flood, real: Real, place: Place, counted: KubeGate) -> None:
    say(f"flood: {flood.sent} sent, {dict(flood.answers)}")
    say(f"real: {real.taken} taken, {len(real.refused)} refused")
    say(f"the gateway was asked {len(place.gateway.asked)} times, the API server {counted.count('GET', APPS)} for apps")


@pytest.mark.case(4, 5)
async def test_no_real_event_is_refused_and_a_new_key_is_fetched_for_its_first_event(
    place: Place, tmp_path: Path, say: Say
) -> None:
    async with behind_a_gate(place, tmp_path) as (webhook, counted):
        real = Real(place, webhook, place.signer)
        assert await real.one()
        place.gateway.asked.clear()
        async with flooding(Flood(place, f"http://127.0.0.1:{webhook.port}")) as flood:
            await real.during(SECONDS / 2)
            real.signer = Signer("rotated")
            place.gateway.signers.append(real.signer)
            await real.during(SECONDS / 2, account_id="somebody new")
        say_all(say, flood, real, place, counted)
        assert real.refused == []
        assert flood.sent > 50 * SECONDS
        assert len(place.gateway.asked) <= 25
        assert counted.count("GET", APPS) <= 4  # list and watch, and the status


@pytest.mark.case(4, 5)
async def test_behind_a_proxy_a_new_key_is_fetched_for_a_customer_who_is_known(
    place: Place, tmp_path: Path, say: Say
) -> None:
    async with behind_a_gate(place, tmp_path) as (webhook, counted):
        real = Real(place, webhook, place.signer)
        assert await real.one(account_id="acme")
        async with flooding(Flood(place, f"http://127.0.0.1:{webhook.port}", address="127.0.0.1")) as flood:
            await real.during(SECONDS / 2)
            real.signer = Signer("rotated")
            place.gateway.signers.append(real.signer)
            await real.during(SECONDS / 2, account_id="acme")
        say_all(say, flood, real, place, counted)
        assert real.refused == []


@pytest.mark.case(4)
async def test_a_replica_that_starts_in_a_flood_has_the_keys_that_signed_events_before(
    place: Place, tmp_path: Path, say: Say
) -> None:
    async with webhook_process(place.kubeconfig, place.namespace) as first:
        assert await Real(place, first, place.signer).one()
        first.terminate()
        await first.process.wait()  # which writes what came
    place.gateway.asked.clear()
    async with behind_a_gate(place, tmp_path) as (webhook, counted):
        await until(lambda: place.gateway.asked == [place.signer.key_id])
        url = f"http://127.0.0.1:{webhook.port}"
        async with flooding(Flood(place, url, address="127.0.0.1")) as flood:
            await asyncio.sleep(SECONDS / 4)
            real = Real(place, webhook, place.signer, taken=1)
            await real.during(SECONDS / 4)
        say_all(say, flood, real, place, counted)
        assert real.refused == []
        assert place.gateway.asked.count(place.signer.key_id) == 1


async def test_an_app_is_usable_as_soon_as_it_is_applied_also_in_a_flood(place: Place, tmp_path: Path) -> None:
    async with behind_a_gate(place, tmp_path) as (webhook, counted):
        async with flooding(Flood(place, f"http://127.0.0.1:{webhook.port}")):
            for name in ("first", "second", "third"):
                await asyncio.to_thread(apply_app, place.cluster, place.namespace, place.gateway, name)
                body = place.installed({"installation_id": name})
                assert await webhook.result(body, place.signer, app=name) == "stored"
        assert counted.count("GET", f"{APPS}/(first|second|third)") == 0


async def test_an_event_that_overtakes_its_app_waits_for_it(place: Place, webhook: WebhookProcess) -> None:
    listing = resource_path(GROUP, VERSION, "talkdeskapps", place.namespace)
    async with await Kube.connect(user_agent="test", kubeconfig=place.cluster.kubeconfig) as kube:
        app = await kube.request("GET", f"{listing}/sentiment")
        late = {key: app[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "late"}}
        waiting = asyncio.create_task(webhook.post(place.installed(), place.signer, app="late"))
        await until(lambda: has_one(webhook))
        await kube.request("POST", listing, body=late)
        assert (await waiting).json() == {"result": "stored"}


async def has_one(webhook: WebhookProcess) -> bool:
    return b"in_flight 1.0" in (await webhook.fetch("/metrics")).content


@pytest.mark.case(10)
async def test_without_the_right_to_watch_events_are_taken_and_the_webhook_stays_ready(
    place: Place, tmp_path: Path
) -> None:
    role = json.loads(place.cluster.kubectl("get", "role", "webhook", "-n", place.namespace, "-o", "json"))
    role["rules"][0]["verbs"] = ["get"]
    place.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(role))
    async with behind_a_gate(place, tmp_path) as (webhook, counted):
        await until(lambda: b"apps.not_watched" in webhook.log)
        assert await Real(place, webhook, place.signer).one()
        assert (await webhook.fetch("/readyz")).status_code == 200
        assert "talkdesk_webhook_apps_watched 0.0" in (await webhook.fetch("/metrics")).text
        assert (await webhook.post(place.installed(), place.signer, app="other")).status_code == 404
        assert counted.count("GET", f"{APPS}/sentiment") == 1
        async with flooding(Flood(place, f"http://127.0.0.1:{webhook.port}")):
            real = Real(place, webhook, place.signer, taken=1)
            await real.during(SECONDS / 4)
            assert real.refused == []
    assert ADDRESS.encode() not in webhook.log
