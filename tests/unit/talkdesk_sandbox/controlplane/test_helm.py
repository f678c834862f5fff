"""Helm is found as the programs of the control plane are, and speaks to the API server with the same libraries."""

import re
from pathlib import Path

import pytest

from builders.programs import executable, stand_in_go
from talkdesk_sandbox.controlplane.build import Recipe
from talkdesk_sandbox.controlplane.errors import BuildFailed, ProgramsUnavailable
from talkdesk_sandbox.controlplane.helm import HELM, HELM_MODULE, find_helm
from talkdesk_sandbox.controlplane.programs import KUBERNETES, MODULE


def module(folder: Path) -> Path:
    folder.mkdir()
    (folder / "go.mod").write_text("module m\n\ngo 1.26.0\n\nrequire (\n\thelm.sh/helm/v4 v4.2.4 // indirect\n)\n")
    (folder / "go.sum").write_text("")
    return folder


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'path'}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), **more}


def test_helm_is_compiled_once_and_then_used_without_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go = stand_in_go(tmp_path / "path", build="mkdir -p $out; echo > ${out}helm")
    first = find_helm(environment(tmp_path), module(tmp_path / "m"))
    assert first.name == "helm"
    assert "compiling Helm v4.2.4" in capsys.readouterr().err
    go.unlink()
    assert find_helm(environment(tmp_path), tmp_path / "m") == first


def test_the_helm_that_the_environment_names_is_used_first(tmp_path: Path) -> None:
    given = executable(tmp_path / "given", "exit 0")
    assert find_helm({"HELM": str(given)}, module(tmp_path / "m")) == given


def test_a_named_helm_that_is_no_program_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProgramsUnavailable, match="is not a program") as caught:
        find_helm({"HELM": str(tmp_path / "nothing")}, module(tmp_path / "m"))
    assert "\n" not in str(caught.value)


def test_without_go_one_line_says_what_to_install_and_what_to_set_instead(tmp_path: Path) -> None:
    with pytest.raises(ProgramsUnavailable, match=r"install Go 1\.26\.0 or newer .*set HELM to the path"):
        find_helm(environment(tmp_path) | {"PATH": "/nowhere"}, module(tmp_path / "m"))


def test_an_installed_package_without_the_module_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ProgramsUnavailable, match="set HELM"):
        find_helm(environment(tmp_path), tmp_path / "no-module")


def test_a_module_without_helm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n\ngo 1.26.0\n")
    with pytest.raises(BuildFailed, match=r"helm\.sh/helm/v4"):
        Recipe.read(HELM, tmp_path)


def test_helms_kubernetes_libraries_are_those_of_the_control_plane() -> None:
    # One version to download and to compile, and no difference between client and server to think of.
    libraries = re.findall(r"^\tk8s\.io/\S+ (v0\.\d+\.\d+)(?: |$)", (HELM_MODULE / "go.mod").read_text(), re.MULTILINE)
    ours = {each for each in libraries if not each.startswith("v0.0.")}
    assert ours == {Recipe.read(KUBERNETES, MODULE).version.replace("v1.", "v0.", 1)}
