"""The reference service as a process, and the command against it, as a partner runs both."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from talkdesk_sandbox.hook.__main__ import main

PROGRAM = [sys.executable, "-m", "talkdesk_sandbox.hook", "serve", "--port", "0"]
KEY = "whsec_dGhlIGtleSBvZiB0aGUgc2VydmljZQ=="


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[str]:
    """Run the service; yield its URL."""
    with subprocess.Popen(
        [*PROGRAM, *arguments], env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("hook: http://127.0.0.1:")
            url = said.split()[1]
            assert process.stdout.readline() == said.replace("/v1/tenants", "/v1/notifications")
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def check(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "talkdesk_sandbox.conformance", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_partner_runs_the_service_and_the_command(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n", encoding="utf-8")

    with running("--key-file", str(key), "--database", str(tmp_path / "hook.db")) as url:
        done = check(url, "--key-file", str(key), "--only", "provision", "--only", "huge-body", "--only", "key-change")

    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["PASS", "provision"],
        ["SKIP", "key-change"],
        ["PASS", "huge-body"],
    ]
    assert "--next-key-file" in lines[1]
    assert lines[3] == "3 checks: 2 passed, 0 failed, 1 skipped"


def test_keys_may_be_in_the_environment_and_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    key, database = tmp_path / "key", ("--database", str(tmp_path / "hook.db"), "--asynchronous", "0.1")
    key.write_text(KEY, encoding="utf-8")

    with running(*database, TALKDESK_HOOK_KEYS=f"another\n{KEY}") as url:
        done = check(url, "--key-file", str(key), "--only", "provision", "--pause", "0.1")
        assert (done.returncode, done.stderr) == (0, "")
    with running(*database, TALKDESK_HOOK_KEYS="another") as url:
        done = check(url, "--key-file", str(key), "--only", "provision")

    assert done.returncode == 1
    assert "answered 401" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("", "it is empty"), ("whsec_%", "not base64"), ("\n\n", "it is empty")]
)
def test_a_key_that_is_none_is_said_and_not_shown(
    text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    if text is not None:
        file.write_text(text, encoding="utf-8")

    assert main(["serve", "--key-file", str(file), "--database", str(tmp_path / "hook.db")]) == 2

    told = capsys.readouterr().err
    assert said in told
    assert "%" not in told


def test_an_address_or_a_database_that_can_not_be_had_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    key.write_text(KEY, encoding="utf-8")
    database = str(tmp_path / "hook.db")

    assert main(["serve", "--key-file", str(key), "--database", str(tmp_path / "no" / "hook.db")]) == 1
    assert "database" in capsys.readouterr().err
    assert main(["serve", "--key-file", str(key), "--database", database, "--host", "192.0.2.1"]) == 1
    assert "192.0.2.1" in capsys.readouterr().err
