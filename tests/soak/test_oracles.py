"""What judges the long runs can be wrong itself: it finds what it should, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from soak.gauges import Gauge, drift
from soak.leaks import Secrets
from soak.verdict import deletions

SECRET = "Zk3vN8q-Tt_1aYw9KxR4uPc7LmB2sDfGhJ5oQeViXn0C6zrWyAEpMHdUbS"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"error": "{SECRET}"}}',
        f"Bearer {SECRET[:45]}",
        "\n".join((SECRET[:40], SECRET[40:])),
        "data: Wmszdk44cS1UdF8xYVl3OUt4UjR1UGM3TG1CMnNEZkdoSjVvUWVWaVhuMEM2enJXeUFFcE1IZFViUw==",
    ],
    ids=["whole", "cut off", "broken into lines", "as a Secret shows it"],
)
def test_a_secret_is_found(text: str) -> None:
    secrets = Secrets()
    secrets.add(SECRET)
    texts = [("clean", b"5f2c1d3e4b5a69788796a5b4c3d2e1f0 " * 100), ("a log", text.encode())]
    assert list(secrets.found_in(texts)) == ["a log"]


def test_growth_is_told_from_noise() -> None:
    assert drift([100.0, 101.0, 99.0, 100.0, 101.0, 99.0]) == pytest.approx(0, abs=0.02)
    assert drift([100.0, 102.0, 104.0, 106.0, 108.0, 110.0]) == pytest.approx(0.10)
    assert drift([100.0]) == 0.0


def test_an_open_file_is_seen(tmp_path: Path) -> None:
    before = Gauge.read(os.getpid())
    with (tmp_path / "file").open("w"):
        assert Gauge.read(os.getpid()).files == before.files + 1
    assert before.memory > 1_000_000
    assert before.threads >= 1


def test_a_deletion_counts_unless_it_was_refused(tmp_path: Path) -> None:
    def line(audit_id: str, name: str, code: int | None) -> str:
        status = {"responseStatus": {"code": code}} if code else {}
        place = {"resource": "configmaps", "namespace": "n", "name": name}
        moment = {"requestReceivedTimestamp": "2026-03-01T12:00:00.000000Z"}
        return json.dumps({"auditID": audit_id, "objectRef": place, **moment, **status})

    lines = [line("1", "done", None), line("1", "done", 200), line("2", "refused", None), line("2", "refused", 409)]
    log = tmp_path / "audit.log"
    log.write_text("\n".join([*lines, line("3", "cut short", None), '{"auditID": "4", "obj']))
    assert [each.name for each in deletions(log)] == ["done", "cut short"]
