"""The API server silent, away, or back again; and the webhook's own end."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from builders.crds import apply_crds
from builders.events import Signer, encode
from builders.place import Place
from builders.serving import until
from builders.webhook_process import WebhookProcess, apply_app, gateway, grant, webhook_process
from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import ControlPlane, KubectlFailed


@pytest.mark.case(10, 12)
async def test_no_event_is_acknowledged_while_the_api_server_is_silent_or_down() -> None:
    plane, signer = ControlPlane(), Signer()
    cluster = plane.__enter__()
    try:
        apply_crds(cluster)
        cluster.kubectl("create", "namespace", "team")
        kubeconfig = grant(cluster, "team")
        limits = {"kubernetes_timeout": "1s", "request_timeout": "2s"}
        async with gateway(signer) as it, webhook_process(kubeconfig, "team", **limits) as webhook:
            apply_app(cluster, "team", it)
            place = Place(cluster, "team", kubeconfig, it, signer)
            first = place.installed({"installation_id": "one"})
            assert await webhook.result(first, signer) == "stored"
            assert (await webhook.fetch("/readyz")).status_code == 200

            os.kill(plane.pids["kube-apiserver"], signal.SIGSTOP)
            await until(lambda: _is_stopped(plane.pids["kube-apiserver"]))
            second = place.installed({"installation_id": "two"})
            await _refused_in_time(webhook, place, second, within=3)
            os.kill(plane.pids["kube-apiserver"], signal.SIGCONT)
            await until(lambda: "sentiment-one" in place.installations(), within=90)
            assert await webhook.result(second, signer) in {"stored", "duplicate"}
            assert set(place.installations()) == {"sentiment-one", "sentiment-two"}

            os.kill(plane.pids["kube-apiserver"], signal.SIGKILL)
            await _refused_in_time(webhook, place, place.installed({"installation_id": "three"}), within=3)
            assert (await webhook.fetch("/healthz")).status_code == 200
    finally:
        plane.__exit__(None, None, None)


def _is_stopped(pid: int) -> bool:
    """Return whether each thread of it has stopped: on a busy machine some go on for a moment."""
    states = [task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


async def _refused_in_time(webhook: WebhookProcess, place: Place, body: dict[str, object], *, within: float) -> None:
    started = time.monotonic()
    answers = await asyncio.gather(*(webhook.post(body, place.signer) for _ in range(20)))
    assert time.monotonic() - started < within
    assert {answer.status_code for answer in answers} == {503}
    assert all("retry-after" in answer.headers for answer in answers)


async def test_without_rights_nothing_is_acknowledged(place: Place, webhook: WebhookProcess) -> None:
    await webhook.result(place.installed(), place.signer)
    place.cluster.kubectl("delete", "rolebinding", "webhook", "-n", place.namespace)
    await until(lambda: not _may_store(place))  # the API server takes note a moment later
    response = await webhook.post(place.uninstalled(created_at="2026-03-01T13:00:00Z"), place.signer)
    assert response.status_code == 503
    assert place.installation()["spec"]["request"]["type"] == "Install"


def _may_store(place: Place) -> bool:
    account = f"--as=system:serviceaccount:{place.namespace}:webhook"
    asked = ("auth", "can-i", "patch", f"talkdeskinstallations.{GROUP}", account, "-n", place.namespace)
    try:
        return place.cluster.kubectl(*asked).strip() == "yes"
    except KubectlFailed:  # as kubectl says no
        return False


async def test_after_sigterm_a_running_request_completes_and_no_new_one_begins(place: Place) -> None:
    async with webhook_process(place.kubeconfig, place.namespace, body_timeout="10s") as webhook:
        raw = encode(place.installed())
        headers = place.signer.headers(raw, Host="a", **{"Content-Length": str(len(raw))})
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port)
        writer.write(f"POST /events/{place.namespace}/sentiment HTTP/1.1\r\n{head}\r\n".encode() + raw[:50])
        await writer.drain()
        await until(lambda: _takes_one(webhook))

        webhook.terminate()
        await until(lambda: _listens_no_more(webhook.port))
        writer.write(raw[50:])
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200")
        assert await asyncio.wait_for(webhook.process.wait(), timeout=10) == 0
    assert b"Traceback" not in webhook.log
    assert "sentiment-5c1f0a9b" in place.installations()


async def _takes_one(webhook: WebhookProcess) -> bool:
    return b"in_flight 1.0" in (await webhook.fetch("/metrics")).content


async def _listens_no_more(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it stops listening just now
    writer.close()
    return False
