import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from builders.tls_pair import TlsPair, client_context, mount, served_name, tls_pair
from talkdesk_runtime.tls_files import CertificateUnusable, ReloadedCertificate, TlsMetrics

FIRST, SECOND = tls_pair("first"), tls_pair("second")


class Place:
    """A mounted Secret and a TLS port that serves with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = CollectorRegistry()
        self.files = mount(folder, FIRST)
        self.certificate = ReloadedCertificate(*self.files, port="metrics", metrics=TlsMetrics(self.registry))
        self.port = 0

    async def shown(self, host: str = "127.0.0.1") -> str:
        return await served_name(self.port, FIRST, SECOND, host=host)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"port": "metrics", **labels})

    def reloads(self, result: str) -> float:
        return self.sample("talkdesk_tls_certificate_reloads_total", result=result) or 0.0


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Place]:
    place = Place(folder)

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=place.certificate.context) as server:
        place.port = server.sockets[0].getsockname()[1]
        yield place


async def renewal(folder: Path) -> None:
    async with served(folder) as place:
        assert await place.shown() == "first"
        assert place.sample("talkdesk_tls_certificate_expiry_timestamp_seconds") == FIRST.expires.timestamp()
        mount(folder, SECOND)
        place.certificate.check()
        assert [await place.shown(), await place.shown("localhost")] == ["second", "second"]
        assert place.sample("talkdesk_tls_certificate_expiry_timestamp_seconds") == SECOND.expires.timestamp()
        assert (place.reloads("success"), place.reloads("failure")) == (1.0, 0.0)
        place.certificate.check()
        assert place.reloads("success") == 1.0, "what has not changed is not loaded again"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_renewed_certificate_is_served_without_a_restart_also_to_who_names_no_server(
    tmp_path: Path, run: Callable[..., None]
) -> None:
    run(renewal(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tls.key", SECOND.key),
        ("tls.crt", SECOND.certificate),
        ("tls.crt", FIRST.certificate[: len(FIRST.certificate) // 2]),
        ("tls.key", b""),
        ("tls.key", tls_pair("first", password=b"secret").key),
        ("tls.key", None),
    ],
    ids=["another key", "another certificate", "half written", "empty", "with a password", "gone"],
)
async def test_a_pair_that_does_not_work_leaves_the_one_that_did_and_is_reported_once(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    async with served(tmp_path) as place:
        file = tmp_path / "..data" / name
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        with capture_logs() as logs:
            for _ in range(3):
                place.certificate.check()
        assert await place.shown() == "first"
        assert place.reloads("failure") == 1.0
        (line,) = logs
        assert (line["event"], line["port"]) == ("tls.certificate_unusable", "metrics")
        assert "BEGIN" not in str(line)
        mount(tmp_path, SECOND)
        place.certificate.check()
        assert (await place.shown(), place.reloads("success")) == ("second", 1.0)


async def test_a_connection_that_is_open_goes_on_when_the_certificate_is_renewed(tmp_path: Path) -> None:
    place = Place(tmp_path)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=place.certificate.context) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(FIRST))
        mount(tmp_path, SECOND)
        place.certificate.check()
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()
        await writer.wait_closed()


async def test_files_are_looked_at_again_and_again(tmp_path: Path) -> None:
    folder = tmp_path
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            mount(folder, SECOND)
        if len(slept) == 4:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    metrics = TlsMetrics(CollectorRegistry())
    certificate = ReloadedCertificate(*mount(folder, FIRST), port="events", metrics=metrics, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await certificate.run()
    assert metrics.reloads.labels("events", "success")._value.get() == 1.0
    assert all(0 < seconds <= 60 for seconds in slept)


@pytest.mark.parametrize("broken", ["missing", "mismatched", "not PEM"])
def test_files_that_can_not_be_used_at_the_start_are_an_error_that_names_them(tmp_path: Path, broken: str) -> None:
    cert, key = mount(tmp_path, TlsPair(FIRST.certificate, SECOND.key, FIRST.expires))
    if broken == "missing":
        key.unlink()
    if broken == "not PEM":
        cert = tmp_path / "text"
        cert.write_text("hello")
    with pytest.raises(CertificateUnusable) as caught:
        ReloadedCertificate(cert, key, port="metrics", metrics=TlsMetrics(CollectorRegistry()))
    assert str(cert) in str(caught.value)
    assert "\n" not in str(caught.value)
