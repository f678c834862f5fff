from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError
from structlog.testing import capture_logs

from builders.scripted_kube import ScriptedKube
from builders.tls_pair import client_context, mount, served_name, tls_pair
from talkdesk_runtime.settings import MetricsAccess, ProcessSettings
from talkdesk_runtime.side_ports import CannotListen, Probes, serving_metrics, serving_probes
from talkdesk_runtime.tls_files import CertificateUnusable, TlsMetrics
from talkdesk_runtime.token_review import TokenReviews

PAIR = tls_pair("here")
NOBODY = TokenReviews(ScriptedKube())


def settings(**changes: Any) -> ProcessSettings:
    addresses: dict[str, Any] = {"probe_bind_address": "127.0.0.1", "metrics_bind_address": "127.0.0.1"}
    return ProcessSettings(**addresses, **({"probe_port": 0, "metrics_port": 0} | changes))


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("things", "Things.", registry=made).inc()
    return made


async def nothing() -> None:
    """Find no problem."""


async def broken() -> str:
    return "broken on purpose"


async def test_the_port_of_the_probes_has_the_probes_alone() -> None:
    async with (
        serving_probes(Probes(not_live=nothing, not_ready=broken), settings()) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        live, ready, metrics = [await http.get(path) for path in ("/healthz", "/readyz", "/metrics")]
    assert (live.status_code, live.text) == (200, "ok\n")
    assert (ready.status_code, ready.text) == (503, "broken on purpose\n")
    assert metrics.status_code == 404


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_metrics_come_in_the_format_that_was_asked_for_and_nothing_else_is_at_their_port(accept: str) -> None:
    made = registry()
    async with (
        serving_metrics(made, settings(), TlsMetrics(made), NOBODY) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        answer = await http.get("/metrics", headers={"Accept": accept})
        others = {(await http.get(path)).status_code for path in ("/", "/healthz", "/readyz", "/events/a/b")}
        writing = await http.post("/metrics")
    assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
    assert "things_total 1.0" in answer.text
    assert others == {404}
    assert writing.status_code == 405


async def test_without_readers_there_is_no_port() -> None:
    made = registry()
    with capture_logs() as logs:
        async with serving_metrics(made, settings(metrics_access="nobody"), TlsMetrics(made), NOBODY) as port:
            assert port is None
    assert logs == []


async def test_metrics_are_served_by_tls_with_the_certificate_that_is_there(tmp_path: Path) -> None:
    made = registry()
    cert, key = mount(tmp_path, PAIR)
    secured = settings(metrics_tls_cert_file=cert, metrics_tls_key_file=key)
    with capture_logs() as logs:
        async with serving_metrics(made, secured, TlsMetrics(made), NOBODY) as port:
            assert port is not None
            assert await served_name(port, PAIR) == "here"
            async with httpx.AsyncClient(verify=client_context(PAIR), trust_env=False) as http:
                answer = await http.get(f"https://127.0.0.1:{port}/metrics")
                with pytest.raises(httpx.RemoteProtocolError):
                    await http.get(f"http://127.0.0.1:{port}/metrics")
    assert "things_total 1.0" in answer.text
    assert 'talkdesk_tls_certificate_expiry_timestamp_seconds{port="metrics"}' in answer.text
    assert [(line["event"], line["tls"], line["access"]) for line in logs] == [("metrics.listening", True, "anybody")]


async def test_a_certificate_that_can_not_be_used_is_an_error(tmp_path: Path) -> None:
    made = registry()
    secured = settings(metrics_tls_cert_file=tmp_path / "none", metrics_tls_key_file=tmp_path / "none.key")
    with pytest.raises(CertificateUnusable, match="none"):
        async with serving_metrics(made, secured, TlsMetrics(made), NOBODY):
            pass


def test_a_certificate_without_its_key_is_no_setting(tmp_path: Path) -> None:
    for name in ("metrics_tls_cert_file", "metrics_tls_key_file"):
        with pytest.raises(ValidationError, match="together"):
            settings(**{name: tmp_path / "file"})


async def test_a_port_that_is_taken_is_an_error() -> None:
    made, probes = registry(), Probes(not_live=nothing, not_ready=nothing)
    async with serving_probes(probes, settings()) as port:
        with pytest.raises(CannotListen, match=rf"127.0.0.1:{port}: .* in use"):
            async with serving_probes(probes, settings(probe_port=port)):
                pass
        with pytest.raises(CannotListen, match=rf"127.0.0.1:{port}: .* in use"):
            async with serving_metrics(made, settings(metrics_port=port), TlsMetrics(made), NOBODY):
                pass


def test_metrics_may_be_read_by_anybody_by_default() -> None:
    assert ProcessSettings().metrics_access is MetricsAccess.ANYBODY


async def test_probes_and_metrics_are_at_every_address_of_ipv4_and_ipv6_by_default() -> None:
    made, probes = registry(), Probes(not_live=nothing, not_ready=nothing)
    anywhere = ProcessSettings(probe_port=0, metrics_port=0)
    async with (
        serving_probes(probes, anywhere) as probe_port,
        serving_metrics(made, anywhere, TlsMetrics(made), NOBODY) as metrics_port,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        for host in ("127.0.0.1", "[::1]"):
            assert (await http.get(f"http://{host}:{probe_port}/healthz")).status_code == 200
            assert (await http.get(f"http://{host}:{metrics_port}/metrics")).status_code == 200
