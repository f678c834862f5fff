"""How the programs are called, as far as safety or a promise hangs on it."""

from pathlib import Path

from talkdesk_sandbox.controlplane import commands
from talkdesk_sandbox.controlplane.certificates import Credentials
from talkdesk_sandbox.controlplane.programs import Programs

PROGRAMS = Programs(Path("/p"))
SOCKET = Path("/d/etcd.sock")


def test_the_database_waits_for_the_disk_only_with_fsync() -> None:
    assert "--unsafe-no-fsync" in commands.etcd(PROGRAMS, Path("/d"), SOCKET, fsync=False)
    assert "--unsafe-no-fsync" not in commands.etcd(PROGRAMS, Path("/d"), SOCKET, fsync=True)


def test_the_database_listens_on_no_port() -> None:
    listening = [flag for flag in commands.etcd(PROGRAMS, Path("/d"), SOCKET, fsync=True) if "--listen" in flag]
    assert listening
    assert all("=unix:///d/etcd.sock" in flag for flag in listening)


def test_the_api_server_listens_on_loopback_and_uses_rbac() -> None:
    command = commands.apiserver(PROGRAMS, Credentials(Path("/c")), SOCKET, 6443)
    assert {"--bind-address=127.0.0.1", "--secure-port=6443", "--authorization-mode=RBAC"} <= set(command)


def test_the_api_server_writes_an_audit_log_only_where_one_is_wanted() -> None:
    def flags(audit: commands.Audit | None) -> list[str]:
        command = commands.apiserver(PROGRAMS, Credentials(Path("/c")), SOCKET, 6443, audit)
        return [flag for flag in command if "--audit" in flag]

    assert flags(None) == []
    assert flags(commands.Audit(Path("/p"), Path("/l"))) == [
        "--audit-policy-file=/p",
        "--audit-log-path=/l",
        "--audit-log-mode=blocking",
    ]
