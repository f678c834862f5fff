"""A cluster outlives nobody who needs it: its record says whether somebody does."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from talkdesk_sandbox.kind.records import Record


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Another process that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def record_of(process: subprocess.Popen[bytes], checkout: Path) -> Record:
    began = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    return Record("talkdesk-x", str(checkout), process.pid, began)


def test_a_cluster_whose_user_lives_is_used_by_another(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    record = record_of(process, tmp_path)
    assert record.is_used_by_another
    assert not record.is_stale


def test_a_cluster_whose_user_was_killed_is_stale(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    record = record_of(process, tmp_path)
    process.kill()
    process.wait()
    assert record.is_stale
    assert not record.is_used_by_another


def test_a_process_that_got_the_id_of_a_killed_user_is_not_the_user(tmp_path: Path) -> None:
    record = Record("talkdesk-x", str(tmp_path), os.getpid(), "another start time")
    assert record.is_stale


def test_a_cluster_that_stays_is_stale_only_without_its_checkout(tmp_path: Path) -> None:
    record = Record.of_this_process("talkdesk-x", tmp_path, stays=True)
    assert not record.is_stale
    tmp_path.rmdir()
    assert record.is_stale


def test_the_record_of_this_process_is_no_other_users(tmp_path: Path) -> None:
    record = Record.of_this_process("talkdesk-x", tmp_path, stays=False)
    assert not record.is_stale
    assert not record.is_used_by_another
