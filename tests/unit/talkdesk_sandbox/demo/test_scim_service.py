"""The partner's SCIM service answers those who have its token, and says how many users it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo import programs, scim_service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.programs import LOOPBACK, Ports
from talkdesk_sandbox.demo.waiter import Waiter


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    folder = tmp_path / "processes"
    folder.mkdir()
    processes = Processes(folder)
    yield processes
    processes.stop(keep_logs=False)


def test_a_new_service_has_no_users(tmp_path: Path, processes: Processes) -> None:
    ports = Ports.free()
    processes.start("scim", programs.scim(ports, tmp_path))
    waiter = Waiter(Cluster(tmp_path / "kubeconfig", tmp_path / "kubectl", tmp_path), processes)
    waiter.ready("scim", ports.scim, f"{scim_service.PATH}/Users", within=30, headers=scim_service.HEADERS)
    assert scim_service.count_users(LOOPBACK, ports.scim) == 0


def test_a_service_that_does_not_answer_is_named_as_the_failed_program() -> None:
    with pytest.raises(DemoFailed, match="the SCIM service does not say") as failed:
        scim_service.count_users(LOOPBACK, Ports.free().scim)
    assert failed.value.program == "scim"
