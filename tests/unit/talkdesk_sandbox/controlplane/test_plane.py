"""Starting, as far as it can go wrong before an API server answers."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.programs import executable
from talkdesk_sandbox.controlplane.errors import StartFailed
from talkdesk_sandbox.controlplane.plane import ControlPlane
from talkdesk_sandbox.controlplane.programs import Programs

LISTENING_ETCD = f"""\
#!{sys.executable} -IS
import socket, sys
path = next(a.split("unix://")[1] for a in sys.argv if a.startswith("--listen-client-urls="))
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
while True:
    listener.accept()
"""


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # Not in pytest's own folder, whose path may be too long for a socket.
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def programs(tmp_path: Path, *, etcd: str = LISTENING_ETCD, apiserver: str = "") -> Programs:
    executable(tmp_path / "bin" / "etcd", etcd)
    executable(tmp_path / "bin" / "kube-apiserver", apiserver)
    return Programs(tmp_path / "bin")


def test_a_program_that_fails_is_named_with_its_last_output_and_its_logs_are_kept(
    tmp_path: Path, temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plane = ControlPlane(programs(tmp_path, apiserver="echo unknown flag; exit 4"))

    with pytest.raises(StartFailed, match="kube-apiserver ended with status 4\nunknown flag"), plane:
        pytest.fail("it has started")

    [folder] = temporary.iterdir()
    assert [path.name for path in folder.iterdir()] == ["logs"]
    assert f"logs are in {folder / 'logs'}" in capsys.readouterr().err


def test_a_port_that_another_process_took_is_replaced_a_few_times(tmp_path: Path, temporary: Path) -> None:
    ports = tmp_path / "ports"
    taken = f"echo $* | tr ' ' '\\n' | grep secure-port >> {ports}; echo bind: address already in use; exit 1"

    with pytest.raises(StartFailed, match="took the port"), ControlPlane(programs(tmp_path, apiserver=taken)):
        pytest.fail("it has started")

    assert len(set(ports.read_text().split())) > 1
    assert list(temporary.iterdir()) == []


def test_a_database_that_fails_is_named_with_its_last_output(tmp_path: Path) -> None:
    plane = ControlPlane(programs(tmp_path, etcd="echo no space left; exit 1"))
    with pytest.raises(StartFailed, match="etcd ended with status 1\nno space left"), plane:
        pytest.fail("it has started")


def test_a_temporary_folder_whose_path_is_too_long_for_a_socket_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 30)))
    with pytest.raises(StartFailed, match="TMPDIR"), ControlPlane(programs(tmp_path)):
        pytest.fail("it has started")
