"""Serving: TLS, addresses, several at once, and as a process of its own by the command line."""

import asyncio
import datetime as dt
import ipaddress
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from talkdesk_sandbox.simulator import Client, Settings, SimulatorServer


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "tls.crt", tmp_path / "tls.key"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return chain, private


async def test_it_speaks_https_with_a_certificate(certificate: tuple[Path, Path]) -> None:
    chain, private = certificate
    async with SimulatorServer(Settings(tls_cert=chain, tls_key=private)) as server:
        await server.client.install(account="acme")
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=chain)
        async with httpx.AsyncClient(verify=context) as client:
            assert (await client.get(f"{server.url}/account")).status_code == 401


async def test_a_callback_may_have_a_private_authority(certificate: tuple[Path, Path]) -> None:
    chain, private = certificate
    async with (
        SimulatorServer(Settings(tls_cert=chain, tls_key=private)) as receiver,
        SimulatorServer(Settings(callback_url=f"{receiver.url}/users", callback_ca=chain)) as server,
    ):
        await server.client.install(account="acme")
        await server.client.drain()
        (delivery,) = await server.client.deliveries()
        assert delivery.attempts[0].status == 405


async def test_two_simulators_at_the_same_time_share_no_state() -> None:
    async with SimulatorServer() as first, SimulatorServer() as second:
        await first.client.install(account="acme")
        assert (await second.client.state()).installations == ()
        assert first.url != second.url


async def test_events_name_the_public_url() -> None:
    async with SimulatorServer(Settings(public_url="http://talkdesk.example:8090/")) as server:
        outcome = await server.client.install(account="acme")
        signed = await server.client.sign(outcome.events[0].id)
        assert '"root":{"href":"http://talkdesk.example:8090"}' in signed.body


@pytest.mark.parametrize("host", ["0.0.0.0", "::1"])
async def test_it_can_listen_on_other_addresses(host: str) -> None:
    async with SimulatorServer(Settings(host=host)) as server:
        assert (await server.client.state()).installations == ()


async def test_a_taken_port_is_an_os_error() -> None:
    async with SimulatorServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=f"can't listen on port {port} of 127.0.0.1: Address already in use"):
            await SimulatorServer(Settings(port=port)).__aenter__()


async def test_environment_variables_set_what_is_not_given_as_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKDESK_SIMULATOR_CALLBACK_URL", "http://127.0.0.1:1/events")
    monkeypatch.setenv("TALKDESK_SIMULATOR_BEHAVIOR__TOKEN_LIFETIME", "1m")
    settings = Settings()
    assert settings.callback_url == "http://127.0.0.1:1/events"
    assert settings.behavior.token_lifetime == dt.timedelta(minutes=1)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A simulator as its own process, by the command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "talkdesk_sandbox.simulator", "serve", "--port", "0", "--set", "signature_form=raw"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"TALKDESK_SIMULATOR_SEED": "7"},
    )
    assert process.stdout
    async with asyncio.timeout(30):
        found = re.search(r"http://127\.0\.0\.1:\d+", (await process.stdout.readline()).decode())
        assert found
        yield found[0]
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_it_runs_as_its_own_process_and_ends_on_sigterm(url: str) -> None:
    async with Client(url) as client:
        assert (await client.install(account="acme")).state == "installing"
        assert (await client.settings()).signature_form == "raw"
