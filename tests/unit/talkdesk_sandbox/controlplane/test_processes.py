"""No process and no folder is left behind, whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from talkdesk_sandbox.controlplane.errors import StartFailed
from talkdesk_sandbox.controlplane.processes import Processes

FOREVER = ["/bin/sleep", "1000"]


def eventually(condition: Callable[[], bool], within: float = 10) -> None:
    """Wait for something that another process does without a notification."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, but its parent has not collected it yet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "plane"
    path.mkdir()
    (path / "key").write_text("k")
    (path / "data").mkdir()
    return path


@pytest.fixture
def processes(folder: Path) -> Iterator[Processes]:
    processes = Processes(folder)
    yield processes
    processes.stop(keep_logs=False)


def test_stopping_ends_every_program_and_removes_the_folder(processes: Processes, folder: Path) -> None:
    processes.start("one", FOREVER)
    processes.start("two", ["/bin/sh", "-c", "trap '' TERM; echo; exec sleep 1000"])

    processes.stop(keep_logs=False)

    assert not any(alive(pid) for pid in processes.pids.values())
    assert not folder.exists()


def test_with_keep_logs_only_the_logs_are_kept(processes: Processes, folder: Path) -> None:
    processes.start("one", ["/bin/sh", "-c", f"echo words; echo > {folder}/said; exec sleep 1000"])
    eventually((folder / "said").exists)

    processes.stop(keep_logs=True)

    assert [path.name for path in folder.iterdir()] == ["logs"]
    assert (folder / "logs" / "one.log").read_text() == "words\n"


def test_a_program_that_ends_by_itself_takes_the_others_with_it_and_is_named(
    processes: Processes, folder: Path
) -> None:
    processes.start("lasting", FOREVER)
    assert not processes.wait_ended(0)
    processes.start("short", ["/bin/sh", "-c", "echo because; exit 3"])

    assert processes.wait_ended(10)

    assert processes.reason() == "short ended with status 3"
    assert processes.read_log("short") == "because\n"
    assert not alive(processes.pids["lasting"])
    assert [path.name for path in folder.iterdir()] == ["logs"]


def test_a_program_that_cannot_be_started_is_reported_with_the_reason(processes: Processes) -> None:
    with pytest.raises(StartFailed, match=r"cannot start etcd: .*No such file"):
        processes.start("etcd", ["/nowhere/etcd"])


def test_starting_a_program_after_another_has_ended_is_refused_with_the_reason(processes: Processes) -> None:
    processes.start("short", ["/bin/sh", "-c", "exit 3"])
    assert processes.wait_ended(10)
    with pytest.raises(StartFailed, match="short ended with status 3"):
        processes.start("late", FOREVER)


def test_when_the_user_is_killed_the_programs_end_and_the_folder_is_removed(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from talkdesk_sandbox.controlplane.processes import Processes; "
        "p = Processes(Path(sys.argv[1])); p.start('one', ['/bin/sleep', '1000']); "
        "print(p.pids['one'], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        pid = int(user.stdout.readline())
        assert alive(pid)

        user.kill()

        eventually(lambda: not alive(pid) and not folder.exists())


def test_when_the_supervisor_is_killed_the_programs_end(processes: Processes, folder: Path) -> None:
    processes.start("one", FOREVER)
    supervisor = int(Path(f"/proc/{processes.pids['one']}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(supervisor, signal.SIGKILL)

    eventually(lambda: not alive(processes.pids["one"]))
    assert processes.wait_ended(10)
    assert processes.reason() == "the supervisor was killed"
    processes.stop(keep_logs=True)
    assert [path.name for path in folder.iterdir()] == ["logs"]


def test_a_supervisor_that_gets_sigterm_ends_the_programs_and_removes_the_folder(
    processes: Processes, folder: Path
) -> None:
    processes.start("one", ["/bin/sh", "-c", f"echo $PPID > {folder}/parent; exec sleep 1000"])
    parent = folder / "parent"
    eventually(lambda: parent.exists() and parent.read_text().endswith("\n"))

    os.kill(int(parent.read_text()), signal.SIGTERM)

    assert processes.wait_ended(10)
    assert not alive(processes.pids["one"])
    assert not folder.exists()
