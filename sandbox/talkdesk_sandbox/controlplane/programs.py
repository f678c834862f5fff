"""Where the programs of the control plane are: `KUBEBUILDER_ASSETS`, the cache, or the compiler.

Belongs here: the order of the search. Does not belong here: how they are compiled (`build`) or called (`commands`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkdesk_sandbox.controlplane.build import Product, Recipe, build
from talkdesk_sandbox.controlplane.errors import ProgramsUnavailable, report

__all__ = ["KUBERNETES", "MODULE", "Programs", "cache", "cached_programs", "find_programs", "stamps"]

MODULE: Final = Path(__file__).parents[2] / "controlplane"
"""The Go module that names the programs and pins their versions. A checkout has it, a wheel does not."""

_REQUIRED: Final = ("etcd", "kube-apiserver", "kubectl")


def stamps(version: str) -> dict[str, str]:
    """Return the variables with which a program of Kubernetes says its version, such as v1.36.3."""
    _, minor, _ = version.split(".")
    values = {"gitVersion": version, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    return {f"k8s.io/component-base/version.{name}": value for name, value in values.items()}


KUBERNETES: Final = Product(
    label="Kubernetes {version} and etcd",
    pinned="k8s.io/kubernetes",
    stamps=stamps,
    instead=f"or set KUBEBUILDER_ASSETS to a folder with {', '.join(_REQUIRED[:-1])} and {_REQUIRED[-1]}",
    renamed={"server": "etcd"},
)


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with the programs. The controller manager may be missing: envtest's archives do not have it."""

    folder: Path

    @property
    def etcd(self) -> Path:
        """The database."""
        return self.folder / "etcd"

    @property
    def apiserver(self) -> Path:
        """The Kubernetes API."""
        return self.folder / "kube-apiserver"

    @property
    def kubectl(self) -> Path:
        """The command line client."""
        return self.folder / "kubectl"

    @property
    def controller_manager(self) -> Path | None:
        """The program that completes the deletion of namespaces; None when the folder does not have it."""
        path = self.folder / "kube-controller-manager"
        return path if path.is_file() else None


def find_programs(environment: Mapping[str, str] = os.environ, module: Path = MODULE) -> Programs:
    """Return the programs that the environment names, or those in the cache, or compile them.

    Compiling takes minutes; progress is reported. Raises ProgramsUnavailable when none of the three is possible,
    BuildFailed when the compiler fails.
    """
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        return _from_assets(Path(assets))
    if not (module / "go.mod").is_file():
        raise ProgramsUnavailable(
            "an installed package has no Go module to compile the control plane: set KUBEBUILDER_ASSETS to a "
            f"folder with {', '.join(_REQUIRED)}, or use a checkout"
        )
    recipe = Recipe.read(KUBERNETES, module)
    folder = cache(environment) / "controlplane" / recipe.key
    if not folder.is_dir():
        build(recipe, folder, environment)
    return Programs(folder)


def cached_programs(environment: Mapping[str, str] = os.environ, module: Path = MODULE) -> Programs | None:
    """Return the programs that `find_programs` has compiled before, or None; compile nothing."""
    folder = cache(environment) / "controlplane" / Recipe.read(KUBERNETES, module).key
    return Programs(folder) if folder.is_dir() else None


def _from_assets(folder: Path) -> Programs:
    if missing := [name for name in _REQUIRED if not os.access(folder / name, os.X_OK)]:
        raise ProgramsUnavailable(
            f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(missing)}: set it to a folder with "
            f"{', '.join(_REQUIRED)}, or unset it to have them compiled"
        )
    programs = Programs(folder.absolute())
    if programs.controller_manager is None:
        report(
            f"no kube-controller-manager in {folder}: continuing without it, deleted namespaces will stay Terminating"
        )
    return programs


def cache(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's cache that is ours."""
    # The XDG specification says that a relative path must be ignored.
    given = Path(environment.get("XDG_CACHE_HOME", ""))
    root = given if given.is_absolute() else Path.home() / ".cache"
    return root / "talkdesk-operator"
