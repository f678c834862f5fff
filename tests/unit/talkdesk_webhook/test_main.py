import os
import socket
import subprocess
import sys
from pathlib import Path

from talkdesk_webhook.settings import Settings


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "talkdesk_webhook", *arguments]
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"} | environment
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_setting() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(f"TALKDESK_WEBHOOK_{name.upper()}" in done.stdout for name in Settings.model_fields)


def test_bad_settings_are_reported_in_one_line() -> None:
    done = run(TALKDESK_WEBHOOK_PORT="http", TALKDESK_WEBHOOK_REQUEST_TIMEOUT="5")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "TALKDESK_WEBHOOK_PORT" in done.stderr
    assert (
        "--request-timeout (TALKDESK_WEBHOOK_REQUEST_TIMEOUT): a duration is written like 7d, 1h30m or 90s"
        in done.stderr
    )


def test_without_a_cluster_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = run(TALKDESK_WEBHOOK_KUBECONFIG=str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no usable configuration for the Kubernetes API" in done.stderr


def test_a_port_that_is_taken_ends_it_without_a_traceback(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"apiVersion": "v1", "kind": "Config", "current-context": "a",'
        ' "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],'
        ' "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],'
        ' "users": [{"name": "a", "user": {"token": "made-up"}}]}'
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(
            "--port",
            str(taken.getsockname()[1]),
            TALKDESK_WEBHOOK_KUBECONFIG=str(kubeconfig),
            TALKDESK_WEBHOOK_HOST="127.0.0.1",
            TALKDESK_WEBHOOK_PROBE_PORT="0",
            TALKDESK_WEBHOOK_METRICS_PORT="0",
        )
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
