"""What `helm test` runs in the webhook's image: it says whether an installed webhook works, and why not."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from builders.place import Place
from builders.webhook_process import WebhookProcess
from talkdesk_sandbox.controlplane import ControlPlane


async def check(url: str, kubeconfig: Path, namespace: str, within: float = 0) -> tuple[int, str]:
    command = [sys.executable, "-m", "talkdesk_webhook.check", url, f"--namespace={namespace}"]
    more = [f"--kubeconfig={kubeconfig}", f"--within={within}"]
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    done = await asyncio.to_thread(
        subprocess.run, [*command, *more], env=env, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


async def test_a_webhook_that_works_passes_with_its_own_rights(place: Place, webhook: WebhookProcess) -> None:
    url = f"http://127.0.0.1:{webhook.port}/events"
    status, said = await check(url, place.kubeconfig, place.namespace, within=90)
    assert status == 0, said
    assert said.count("ok: ") == 2
    assert f"{place.namespace}/no-such-app" in said


async def test_a_webhook_that_is_away_fails_with_its_address(place: Place) -> None:
    status, said = await check("http://127.0.0.1:1/events", place.kubeconfig, place.namespace)
    assert status == 1
    assert "failed: http://127.0.0.1:1/events" in said


async def test_another_server_than_the_webhook_fails_with_what_it_answers(
    place: Place, webhook: WebhookProcess
) -> None:
    status, said = await check(f"http://127.0.0.1:{webhook.port}/other", place.kubeconfig, place.namespace)
    assert status == 1
    assert "answers 404, not that the app is unknown" in said


async def test_a_cluster_without_our_kinds_fails_with_the_missing_group() -> None:
    with ControlPlane() as cluster:
        status, said = await check("http://127.0.0.1:1/events", cluster.kubeconfig, "default")
    assert status == 1
    assert "the CRDs are not there" in said


async def test_a_url_that_is_none_is_a_fault_of_the_caller(place: Place) -> None:
    assert (await check("talkdesk-webhook", place.kubeconfig, place.namespace))[0] == 2
