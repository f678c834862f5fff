"""Stand-ins for programs: real executables that do what a test needs of them."""

from pathlib import Path
from textwrap import dedent

__all__ = ["ECHO_PROGRAMS", "executable", "go_module", "stand_in_go"]

ECHO_PROGRAMS = (
    "mkdir -p $out; for name in server kube-apiserver kube-controller-manager kubectl; do echo > $out$name; done"
)
"""What `go build` leaves behind, in the shell of `stand_in_go`."""


def executable(path: Path, script: str) -> Path:
    """Write a shell script, or one for another interpreter when it begins with `#!`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = dedent(script).lstrip()
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def stand_in_go(
    folder: Path, *, version: str = "go1.26.1", build: str = ECHO_PROGRAMS, env: str = "", pending: str = ""
) -> Path:
    """Write a `go` that prints a version and builds by the given shell commands, `$out` being where to.

    `pending` are the commands that list what is yet to be compiled.
    """
    return executable(
        folder / "go",
        f"""\
        case $1 in
        env) {env or f"echo {version}"} ;;
        list) {pending or ":"} ;;
        build)
            while [ "$1" != -o ]; do shift; done
            out=$2
            {build} ;;
        esac
        """,
    )


def go_module(folder: Path, *, go: str = "1.26.0", kubernetes: str = "v1.36.3", sums: str = "") -> Path:
    """Write a Go module that says what the control plane's does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(f"module m\n\ngo {go}\n\nrequire (\n\tk8s.io/kubernetes {kubernetes}\n)\n")
    (folder / "go.sum").write_text(sums)
    return folder
