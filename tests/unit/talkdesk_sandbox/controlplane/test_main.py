"""The commands, as a person at a terminal meets them."""

import os
import subprocess
import sys
from pathlib import Path

from builders.programs import executable, stand_in_go


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "talkdesk_sandbox.controlplane", *arguments],
        env={**{name: value for name, value in os.environ.items() if name != "KUBEBUILDER_ASSETS"}, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_programs_and_without_go_it_ends_with_status_2_and_one_line(tmp_path: Path) -> None:
    done = run("build", PATH="/nowhere", XDG_CACHE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("controlplane: no Go found: install Go ")
    assert done.stderr.count("\n") == 1


def test_a_failed_build_ends_with_status_1_and_no_traceback(tmp_path: Path) -> None:
    stand_in_go(tmp_path / "path", build="echo 'cannot compile' >&2; exit 1", version="go99.0")
    done = run("build", PATH=f"{tmp_path / 'path'}:/usr/bin:/bin", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "cannot compile" in done.stderr
    assert "Traceback" not in done.stderr


def test_build_prints_nothing_when_the_programs_are_there(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager"):
        executable(tmp_path / name, "")
    done = run("build", KUBEBUILDER_ASSETS=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_path_prints_the_folder_of_the_programs(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager"):
        executable(tmp_path / name, "")
    assert run("path", KUBEBUILDER_ASSETS=str(tmp_path)).stdout == f"{tmp_path}\n"
