"""The order of the search for programs, and what a person reads when there are none."""

from pathlib import Path

import pytest

from builders.programs import executable, go_module, stand_in_go
from talkdesk_sandbox.controlplane.errors import ProgramsUnavailable
from talkdesk_sandbox.controlplane.programs import find_programs


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), **more}


def assets(folder: Path, *names: str) -> Path:
    for name in names:
        executable(folder / name, "")
    return folder


def test_the_folder_that_the_environment_names_is_used_first(tmp_path: Path) -> None:
    folder = assets(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl", "kube-controller-manager")
    stand_in_go(tmp_path / "path")

    programs = find_programs(environment(tmp_path, KUBEBUILDER_ASSETS=str(folder)), go_module(tmp_path / "m"))

    assert programs.folder == folder
    assert programs.controller_manager == folder / "kube-controller-manager"


def test_a_missing_controller_manager_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = assets(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")

    programs = find_programs(environment(tmp_path, KUBEBUILDER_ASSETS=str(folder)))

    assert programs.controller_manager is None
    assert capsys.readouterr().err.count("\n") == 1


def test_a_named_folder_without_the_programs_is_refused(tmp_path: Path) -> None:
    folder = assets(tmp_path / "assets", "etcd")
    with pytest.raises(ProgramsUnavailable, match=r"lacks kube-apiserver, kubectl"):
        find_programs(environment(tmp_path, KUBEBUILDER_ASSETS=str(folder)))


def test_compiled_programs_are_used_again_without_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = go_module(tmp_path / "m")
    go = stand_in_go(tmp_path / "path")
    first = find_programs(environment(tmp_path), module)
    go.unlink()
    capsys.readouterr()

    again = find_programs({**environment(tmp_path), "PATH": "/nowhere"}, module)

    assert again == first
    assert again.etcd.exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("cache", [{}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}])
def test_without_an_absolute_cache_folder_the_cache_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: dict[str, str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    stand_in_go(tmp_path / "path")

    programs = find_programs({"PATH": f"{tmp_path / 'path'}:/bin"} | cache, go_module(tmp_path / "m"))

    assert programs.folder.parent == tmp_path / ".cache" / "talkdesk-operator" / "controlplane"


def test_without_go_one_line_says_what_to_install_and_what_to_set_instead(tmp_path: Path) -> None:
    with pytest.raises(ProgramsUnavailable) as caught:
        find_programs({**environment(tmp_path), "PATH": "/nowhere"}, go_module(tmp_path / "m"))

    message = str(caught.value)
    assert "install Go 1.26.0 or newer" in message
    assert "KUBEBUILDER_ASSETS" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("stand_in", "words"),
    [
        ({"version": "go1.24.9"}, "is Go 1.24.9"),
        ({"version": "go1.9"}, "is Go 1.9"),
        ({"env": "echo 'go: download go1.26.0: toolchain not available' >&2; exit 1"}, "toolchain not available"),
        ({"env": "echo nonsense"}, "does not say its version"),
    ],
)
def test_a_go_that_is_too_old_or_broken_is_reported_in_one_line(
    tmp_path: Path, stand_in: dict[str, str], words: str
) -> None:
    stand_in_go(tmp_path / "path", **stand_in)
    with pytest.raises(ProgramsUnavailable, match=words) as caught:
        find_programs(environment(tmp_path), go_module(tmp_path / "m"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26", "go1.30rc1", "devel go1.27-8c1a2b"])
def test_any_go_that_is_new_enough_is_used(tmp_path: Path, version: str) -> None:
    stand_in_go(tmp_path / "path", version=version)
    assert find_programs(environment(tmp_path), go_module(tmp_path / "m", go="1.26")).etcd.exists()


def test_an_installed_package_without_the_module_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ProgramsUnavailable, match="set KUBEBUILDER_ASSETS"):
        find_programs(environment(tmp_path), tmp_path / "no-module")
