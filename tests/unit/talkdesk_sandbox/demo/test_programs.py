"""Our programs are called with settings that they know, and with nothing of the person's own environment."""

import subprocess
from dataclasses import astuple
from pathlib import Path

import pytest

from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_sandbox.demo import programs
from talkdesk_sandbox.demo.programs import Ports
from talkdesk_webhook.settings import Settings as WebhookSettings

PORTS = Ports(*range(1001, 1008))


def environment(command: list[str]) -> dict[str, str]:
    """Return what a program finds in its environment when it is called like this."""
    interpreter = next(index for index, word in enumerate(command) if index > 1 and "=" not in word)
    said = subprocess.run([*command[:interpreter], "env"], capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.splitlines())


def settings(command: list[str], prefix: str) -> dict[str, str]:
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environment(command).items()
        if name.startswith(prefix)
    }


def test_ports_are_different_ones_that_are_free() -> None:
    ports = astuple(Ports.free())
    assert len(set(ports)) == len(ports) == 7


def test_the_webhook_listens_on_loopback_with_the_given_kubeconfig(tmp_path: Path) -> None:
    command = programs.webhook(PORTS, tmp_path / "kubeconfig", tmp_path)
    got = WebhookSettings.model_validate(settings(command, "TALKDESK_WEBHOOK_"))
    assert (got.host, got.port, got.kubeconfig) == ("127.0.0.1", 1002, tmp_path / "kubeconfig")
    assert (got.probe_bind_address, got.probe_port) == ("127.0.0.1", 1003)
    assert (got.metrics_bind_address, got.metrics_port) == ("127.0.0.1", 1004)


def test_the_operator_has_its_lease_where_it_would_in_a_cluster(tmp_path: Path) -> None:
    command = programs.operator(PORTS, tmp_path / "kubeconfig", tmp_path)
    got = OperatorSettings.model_validate(settings(command, "TALKDESK_OPERATOR_"))
    assert (got.probe_bind_address, got.probe_port, got.kubeconfig) == ("127.0.0.1", 1005, tmp_path / "kubeconfig")
    assert (got.metrics_bind_address, got.metrics_port) == ("127.0.0.1", 1006)
    assert got.namespace_of_lease() == "talkdesk-system"
    assert got.leader_election


def test_variables_that_a_person_has_exported_do_not_reach_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALKDESK_OPERATOR_NAMESPACES", "elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    got = environment(programs.operator(PORTS, tmp_path / "kubeconfig", tmp_path))
    assert not {"TALKDESK_OPERATOR_NAMESPACES", "HTTPS_PROXY", "KUBECONFIG"} & got.keys()


def test_temporary_files_go_to_the_folder_that_is_removed(tmp_path: Path) -> None:
    for command in (
        programs.simulator(PORTS, tmp_path),
        programs.webhook(PORTS, tmp_path, tmp_path),
        programs.operator(PORTS, tmp_path, tmp_path),
        programs.scim(PORTS, tmp_path),
    ):
        assert environment(command)["TMPDIR"] == str(tmp_path)
