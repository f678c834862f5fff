"""Waiting ends with the condition, with a message on what did not happen, or with the name of a program that ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.programs import executable
from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.programs import Ports
from talkdesk_sandbox.demo.waiter import Waiter

BOUND = 10.0


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "processes"
    folder.mkdir()
    processes = Processes(folder)
    processes.start("operator", ["sleep", "600"])
    yield processes
    processes.stop(keep_logs=False)


def waiter(tmp_path: Path, processes: Processes, kubectl: str) -> Waiter:
    program = executable(tmp_path / "bin" / "kubectl", kubectl)
    return Waiter(Cluster(tmp_path / "kubeconfig", program, tmp_path), processes)


def test_it_waits_by_kubectl_with_a_time_limit(tmp_path: Path, processes: Processes) -> None:
    said = tmp_path / "said"
    waits = waiter(tmp_path, processes, f'echo "$@" > {said}')
    waits.until("it", ("--for=condition=Ready", "talkdeskapp/a"), of="operator", within=7)
    assert said.read_text() == "wait --timeout=7s --for=condition=Ready talkdeskapp/a\n"


def test_a_condition_that_does_not_come_is_reported_with_kubectls_message_and_the_program_to_blame(
    tmp_path: Path, processes: Processes
) -> None:
    waits = waiter(tmp_path, processes, "echo error: timed out >&2; exit 1")
    with pytest.raises(DemoFailed, match=r"^app did not become Ready: error: timed out$") as failed:
        waits.until("app did not become Ready", (), of="operator", within=BOUND)
    assert failed.value.program == "operator"


def test_a_program_that_ends_while_kubectl_waits_is_named_at_once(tmp_path: Path, processes: Processes) -> None:
    waits = waiter(tmp_path, processes, "exec sleep 600")
    processes.start("webhook", ["sh", "-c", "exit 3"])
    with pytest.raises(DemoFailed, match="webhook ended with status 3") as failed:
        waits.until("it", (), of="operator", within=BOUND)
    assert failed.value.program == "webhook"


def test_a_program_that_ends_while_everything_is_kept_running_is_named(tmp_path: Path, processes: Processes) -> None:
    processes.start("webhook", ["sh", "-c", "exit 3"])
    with pytest.raises(DemoFailed, match="webhook ended with status 3"):
        waiter(tmp_path, processes, "").until_one_ends()


def test_a_program_that_does_not_become_ready_is_named_with_the_reason(tmp_path: Path, processes: Processes) -> None:
    with pytest.raises(DemoFailed, match=r"^operator is not ready after 0 s: .*refused") as failed:
        waiter(tmp_path, processes, "").ready("operator", Ports.free().operator_probes, "/readyz", within=0)
    assert failed.value.program == "operator"
