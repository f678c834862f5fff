"""The console scripts, run as processes."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS = sorted(PROJECT["scripts"].items())
EXTRAS = {
    "talkdesk-operator": ("operator", "kopf"),
    "talkdesk-webhook": ("webhook", "starlette"),
    "talkdesk-simulator": ("sandbox", "typer"),
    "talkdesk-scim": ("sandbox", "scim2_server"),
    "talkdesk-conformance": ("sandbox", "httpx"),
}


def run(script: str, *arguments: str, hidden: str = "") -> subprocess.CompletedProcess[str]:
    """Run what a console script runs, as if the package `hidden` were not installed."""
    module, _, function = script.partition(":")
    code = (
        f"import sys; sys.modules.update({{{hidden!r}: None}} if {hidden!r} else {{}}); "
        f"from {module} import {function}; sys.exit({function}())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(("name", "script"), SCRIPTS)
def test_a_missing_extra_is_named_in_one_line(name: str, script: str) -> None:
    extra, package = EXTRAS[name]
    assert extra in PROJECT["optional-dependencies"]

    done = run(script, "--version", hidden=package)

    assert done.returncode == 2
    assert done.stderr == (
        f"{name}: the Python package {package} is missing; it comes with an extra: "
        f"pip install 'talkdesk-operator[{extra}]'\n"
    )


@pytest.mark.parametrize(("name", "script"), SCRIPTS)
def test_each_program_says_its_version(name: str, script: str) -> None:
    done = run(script, "--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{version('talkdesk-operator')}\n", ""), name


@pytest.mark.parametrize("package", ["talkdesk_webhook", "talkdesk_webhook.app"])
def test_a_fault_of_our_own_is_no_missing_extra(package: str) -> None:
    done = run("talkdesk_runtime.programs:webhook", "--version", hidden=package)

    assert done.returncode == 1
    assert "pip install" not in done.stderr
