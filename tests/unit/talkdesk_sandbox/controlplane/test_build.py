"""Compiling: all or nothing, one at a time, and again only when something that matters has changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders.programs import ECHO_PROGRAMS, go_module, stand_in_go
from talkdesk_sandbox.controlplane.build import Recipe, build
from talkdesk_sandbox.controlplane.errors import BuildFailed
from talkdesk_sandbox.controlplane.programs import KUBERNETES, MODULE


def path(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}


def test_the_programs_get_their_usual_names_and_no_other_file_is_left(tmp_path: Path) -> None:
    stand_in_go(tmp_path / "path")

    build(Recipe.read(KUBERNETES, go_module(tmp_path / "m")), tmp_path / "cache" / "key", path(tmp_path))

    names = {path.name for path in (tmp_path / "cache" / "key").iterdir()}
    assert names == {"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"key", "key.lock"}


def test_a_failing_compilers_errors_are_quoted_and_no_folder_is_left(tmp_path: Path) -> None:
    stand_in_go(tmp_path / "path", build="echo k8s.io/api >&2; echo 'main.go:1:1: no such thing' >&2; exit 1")

    with pytest.raises(BuildFailed, match="no such thing") as caught:
        build(Recipe.read(KUBERNETES, go_module(tmp_path / "m")), tmp_path / "cache" / "key", path(tmp_path))

    assert "k8s.io/api" not in str(caught.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.lock"]


@pytest.mark.parametrize(
    ("pending", "left"),
    [
        ("echo a/b; echo a/c; echo a/d; echo 'go: downloading a v1'", "2 of 3 packages left (a/b)"),
        ("echo 'go: no network' >&2; exit 1", "1 packages so far (a/b)"),
    ],
)
def test_it_tells_how_much_is_left(pending: str, left: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in_go(tmp_path / "path", pending=pending, build=f"echo a/b >&2; sleep 0.5; {ECHO_PROGRAMS}")
    recipe = Recipe.read(KUBERNETES, go_module(tmp_path / "m"))

    build(recipe, tmp_path / "cache" / "key", path(tmp_path), progress_every=0.1)

    assert left in capsys.readouterr().err


def test_leftovers_of_a_killed_build_are_removed_by_the_next_build(tmp_path: Path) -> None:
    stand_in_go(tmp_path / "path")
    abandoned = tmp_path / "cache" / "key.unfinished-x"
    (abandoned / "bin").mkdir(parents=True)

    build(Recipe.read(KUBERNETES, go_module(tmp_path / "m")), tmp_path / "cache" / "key", path(tmp_path))

    assert not abandoned.exists()


def test_of_two_processes_one_compiles_and_the_other_reports_that_it_waits(tmp_path: Path) -> None:
    started, go_on, counted = tmp_path / "started", tmp_path / "go-on", tmp_path / "counted"
    os.mkfifo(started)
    os.mkfifo(go_on)
    stand_in_go(tmp_path / "path", build=f"echo x >> {counted}; echo > {started}; read line < {go_on}; {ECHO_PROGRAMS}")
    module = go_module(tmp_path / "m")
    program = (
        "import sys; from pathlib import Path; from talkdesk_sandbox.controlplane.build import Recipe, build; "
        "from talkdesk_sandbox.controlplane.programs import KUBERNETES; "
        "build(Recipe.read(KUBERNETES, Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(module), str(tmp_path / "cache" / "key")]
    environment = {**os.environ, **path(tmp_path)}

    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as first:
        started.read_text()  # it has the lock
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as second:
            assert second.stderr is not None
            said = second.stderr.readline()
            go_on.write_text("\n")
            second.stderr.read()

    assert "waiting" in said
    assert (first.returncode, second.returncode) == (0, 0)
    assert counted.read_text() == "x\n"


@pytest.mark.parametrize("change", [{"kubernetes": "v1.36.4"}, {"go": "1.27.0"}, {"sums": "k8s.io/api h1:x\n"}])
def test_a_change_of_pinned_versions_changes_the_key(tmp_path: Path, change: dict[str, str]) -> None:
    before = Recipe.read(KUBERNETES, go_module(tmp_path / "a"))
    assert Recipe.read(KUBERNETES, go_module(tmp_path / "b")).key == before.key
    assert Recipe.read(KUBERNETES, go_module(tmp_path / "c", **change)).key != before.key


def test_a_module_without_kubernetes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n\ngo 1.26.0\n")
    with pytest.raises(BuildFailed, match=r"k8s\.io/kubernetes"):
        Recipe.read(KUBERNETES, tmp_path)


def test_kubernetes_own_libraries_are_pinned_to_the_version_of_the_programs() -> None:
    recipe = Recipe.read(KUBERNETES, MODULE)
    replaced = [line.split() for line in (MODULE / "go.mod").read_text().splitlines() if " => " in line]

    assert replaced
    assert {words[-1] for words in replaced} == {recipe.version.replace("v1.", "v0.", 1)}
    assert all(words[0] == words[2] for words in replaced)
