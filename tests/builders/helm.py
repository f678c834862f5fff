"""Helm, as a person calls it, on this repository's chart or on a copy of it."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from talkdesk_sandbox.controlplane import Cluster

__all__ = ["CHART", "EXAMPLES", "MANIFESTS", "RELEASE", "SYSTEM", "Helm", "HelmFailed", "kustomized", "named"]

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
CHART: Final = MANIFESTS / "chart"
EXAMPLES: Final = sorted((CHART / "examples").glob("*.yaml"))
RELEASE: Final = "talkdesk"
SYSTEM: Final = "talkdesk-system"

Objects = dict[tuple[str, str, str], dict[str, Any]]


class HelmFailed(Exception):
    """Helm ended with another status than 0; has what it said."""


class Helm:
    """One Helm, with folders of its own; with a cluster it installs there as administrator."""

    def __init__(self, program: Path, home: Path, cluster: Cluster | None = None) -> None:
        self._program = program
        self._environment = {
            **(os.environ if cluster is None else cluster.environment),
            **{f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")},
        }

    def run(self, *arguments: str, values: dict[str, Any] | None = None, namespace: str = SYSTEM) -> str:
        """Run a command, with these values if there are any. Raises HelmFailed."""
        given = () if values is None else ("--values=-",)
        command = [str(self._program), *arguments, *given, f"--namespace={namespace}"]
        done = subprocess.run(
            command,
            env=self._environment,
            input="" if values is None else yaml.safe_dump(values),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HelmFailed(f"{shlex.join(command[1:])}: {done.stderr.strip()}\n{done.stdout.strip()}")
        return done.stdout

    def rendered(self, values: dict[str, Any] | None = None, *arguments: str, namespace: str = SYSTEM) -> str:
        """Return what an installation with these values would consist of, hooks left out."""
        command = ("template", RELEASE, str(CHART), "--no-hooks", *arguments)
        return self.run(*command, values=values, namespace=namespace)

    def objects(self, values: dict[str, Any] | None = None, *arguments: str) -> Objects:
        """Return the same as objects."""
        return named(self.rendered(values, *arguments))


def kustomized(kubectl: Path, folder: Path) -> Objects:
    """Return what kustomize makes of a folder."""
    command = [str(kubectl), "kustomize", str(folder)]
    return named(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def named(text: str) -> Objects:
    """Return the objects of a text by kind, namespace and name."""
    found = [each for each in yaml.safe_load_all(text) if each]
    made = {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in found}
    assert len(made) == len(found), "an object is there twice"
    return made
