"""A flood of what anybody may send keeps no real event out and fills no memory: each kind of it, one by one."""

import asyncio
from pathlib import Path

import httpx
import pytest
import yaml

from builders.hostile_clients import ATTACKS, Target, attacked
from builders.manifest_files import MANIFESTS
from builders.place import Place
from builders.say import Say
from builders.webhook_process import WebhookProcess, webhook_process

SLOW_MACHINE = {"request_timeout": "15s", "kubernetes_timeout": "15s"}
"""The API server is slow here because it shares two cores with the flood."""
EVENTS = 50
"""Real events during a flood, ten a second."""


@pytest.mark.case(77)
@pytest.mark.parametrize("kind", ATTACKS)
async def test_real_events_are_taken_during_a_flood(kind: str, place: Place, say: Say) -> None:
    async with webhook_process(place.kubeconfig, place.namespace, **SLOW_MACHINE) as webhook:
        assert await webhook.result(place.installed(), place.signer) == "stored"  # as on any day before
        target = Target(webhook.port, f"/events/{place.namespace}/sentiment", place.signer.key_id)

        async with attacked(target, kind):
            await asyncio.sleep(1)
            taken = []
            for number in range(EVENTS):
                taken.append(asyncio.create_task(_is_taken(place, webhook, number)))
                await asyncio.sleep(0.1)
            accepted = sum(await asyncio.gather(*taken))

        peak = _peak_memory(webhook.process.pid)
    hostile = f"{target.requests} hostile clients were answered {target.answers}"
    say(f"{accepted} of {EVENTS} real events taken, {peak >> 20} MiB at most; {hostile}")
    assert target.requests > 0
    assert accepted >= 0.99 * EVENTS, target.answers
    assert peak < _memory_limit()
    assert all(status != 200 for status in target.answers)


async def _is_taken(place: Place, webhook: WebhookProcess, number: int) -> bool:
    ids = {"installation_id": f"i{number}", "account_id": f"a{number}"}
    body = place.installed(ids, id=f"event-{number}")
    try:
        response = await webhook.post(body, place.signer)
    except httpx.HTTPError:
        return False
    return response.status_code == 200


def _peak_memory(pid: int) -> int:
    """Return the most bytes that the process had in memory."""
    (line,) = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _memory_limit() -> int:
    deployment = yaml.safe_load((MANIFESTS / "base" / "webhook" / "deployment.yaml").read_text(encoding="utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    limit: str = container["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    return int(limit.removesuffix("Mi")) << 20
