"""Both services as processes, as a partner runs them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from talkdesk_sandbox.sso.__main__ import main

KEY = "whsec_dGhlIGtleSBvZiB0aGUgc2VydmljZQ=="
DIRECTORY = {
    "TALKDESK_DIRECTORY_HOOK_KEYS": KEY,
    "TALKDESK_DIRECTORY_LOGOUT_KEYS": "another key",
    "TALKDESK_DIRECTORY_SCIM_TOKEN": "made-up",
}
APP = {
    "SSO_ISSUER": "https://acme.talkdeskid.com",
    "SSO_CLIENT_ID": "client",
    "SSO_JWKS_URL": "http://127.0.0.1:9/certs",
    "SSO_DIRECTORY_URL": "http://127.0.0.1:9",
    "SSO_DIRECTORY_TENANT": "sso-acme",
    "SSO_DIRECTORY_TOKEN": "made-up",
}


@contextmanager
def running(service: str, environment: dict[str, str], *arguments: str) -> Iterator[str]:
    """Run a service; yield its URL."""
    command = [sys.executable, "-m", "talkdesk_sandbox.sso", service, "--port", "0", *arguments]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith(f"{service}: http://127.0.0.1:")
            yield said.split()[1]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_directory_keeps_the_protocol_of_http_steps(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY, encoding="utf-8")
    with running("directory", DIRECTORY, "--database", str(tmp_path / "sso.db")) as url:
        check = [sys.executable, "-m", "talkdesk_sandbox.conformance", f"{url}/v1/tenants", "--key-file", str(key)]
        only = [f"--only={name}" for name in ("provision", "suspend-resume", "offboard-return", "huge-body")]
        done = subprocess.run([*check, *only], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == "4 checks: 4 passed, 0 failed, 0 skipped"


def test_the_app_lets_nobody_in_who_has_no_token() -> None:
    with running("app", APP) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(url, headers={"X-Forwarded-User": "user-1"}).status_code == 401


@pytest.mark.parametrize("missing", DIRECTORY)
def test_a_directory_without_a_key_says_which(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in DIRECTORY.keys() - {missing}:
        monkeypatch.setenv(name, DIRECTORY[name])
    assert main(["directory", "--port", "0", "--database", str(tmp_path / "sso.db")]) == 2
    assert missing in capsys.readouterr().err


def test_an_app_without_a_setting_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in APP.keys() - {"SSO_CLIENT_ID"}:
        monkeypatch.setenv(name, APP[name])
    assert main(["app", "--port", "0"]) == 2
    assert "SSO_CLIENT_ID" in capsys.readouterr().err


def test_a_database_that_cant_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in DIRECTORY.items():
        monkeypatch.setenv(name, value)
    assert main(["directory", "--port", "0", "--database", "/nowhere/sso.db"]) == 1
    assert "/nowhere/sso.db" in capsys.readouterr().err
