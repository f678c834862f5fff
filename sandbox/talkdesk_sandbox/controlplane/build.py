"""Compiles programs from their Go modules, once per machine and version.

Belongs here: the compiler, its progress, and the lock between two builds. Does not belong here: which programs there
are, and where else they could come from (`programs`, `helm`).
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from talkdesk_sandbox.controlplane.errors import BuildFailed, ProgramsUnavailable, report

__all__ = ["Product", "Recipe", "build"]

_ERROR_LINES: Final = 15  # of the compiler's output, in an error


@dataclass(frozen=True, slots=True)
class Product:
    """What a Go module of tools is compiled for."""

    label: str
    """What a person reads, such as "Kubernetes {version} and etcd"."""
    pinned: str
    """The module whose version is the version of it all, such as k8s.io/kubernetes."""
    stamps: Callable[[str], Mapping[str, str]]
    """Return the variables of Go that say the version, with their values, for a version such as v1.36.3."""
    instead: str
    """What a person without Go can do: "or set KUBEBUILDER_ASSETS to ..."."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Go names a program after its folder; the names that it should have."""
    packages: tuple[str, ...] = ("tool",)
    """What is compiled of the module: all its tools, or these packages."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is compiled: a Go module whose tools are the programs, and the version that they report."""

    product: Product
    module: Path
    key: str
    """Name of the result: the same for the same pinned modules, flags and kind of machine."""
    version: str
    """Such as v1.36.3."""
    go: str
    """The oldest Go that can compile it, such as 1.26.0."""

    @classmethod
    def read(cls, product: Product, module: Path) -> Self:
        """Read the module's go.mod and go.sum."""
        gomod = (module / "go.mod").read_text()
        go = re.search(r"^go ([\d.]+)$", gomod, re.MULTILINE)
        version = re.search(rf"^\s*{re.escape(product.pinned)} (v\d+\.\d+\.\d+)", gomod, re.MULTILINE)
        if go is None or version is None:
            raise BuildFailed(f"{module / 'go.mod'} does not say which Go or which {product.pinned} it needs")
        machine = f"{sys.platform}-{platform.machine()}"
        flags = " ".join([*_flags(product.stamps(version[1])), *product.packages])
        digest = hashlib.sha256("\0".join([gomod, (module / "go.sum").read_text(), flags]).encode()).hexdigest()
        return cls(product, module, f"{version[1]}-{machine}-{digest[:12]}", version[1], go[1])

    @property
    def label(self) -> str:
        """What is compiled, in words."""
        return self.product.label.format(version=self.version)


def build(
    recipe: Recipe, folder: Path, environment: Mapping[str, str] = os.environ, *, progress_every: float = 15.0
) -> None:
    """Compile the programs into `folder`, which appears only when all are there. A build that is killed leaves none.

    When another process compiles it already, wait for its result. Progress goes to standard error,
    each `progress_every` seconds.
    Raises ProgramsUnavailable when there is no Go or one that is too old, BuildFailed when the compiler fails.
    """
    go = _find_go(recipe, environment)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(recipe, folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return
        prefix = f"{folder.name}.unfinished-"
        for abandoned in folder.parent.glob(f"{prefix}*"):  # of a build that was killed: we hold the lock
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
        try:
            _compile(recipe, _Compiler(go, recipe.module, environment, progress_every), unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _compile(recipe: Recipe, compiler: "_Compiler", into: Path) -> None:
    report(f"compiling {recipe.label}; the first time this takes minutes")
    begin = time.monotonic()
    programs, log, plan = into / "bin", into / "log", into / "plan"
    flags, packages = _flags(recipe.product.stamps(recipe.version)), recipe.product.packages
    # Which packages are yet to be compiled. Where that can't be said, the build itself says why.
    stale = ["-f", "{{if .Stale}}{{.ImportPath}}{{end}}"]
    compiler.run(["list", "-deps", *flags, *stale, *packages], plan, lambda: report("fetching modules"))
    pending = len(_packages(plan))
    build_all = ["build", "-v", *flags, "-o", f"{programs}{os.sep}", *packages]
    if compiler.run(build_all, log, lambda: report(_progress(log, pending, begin))) != 0:
        raise BuildFailed(f"go build failed in {recipe.module}:\n{_error_lines(log)}")
    log.unlink()
    plan.unlink()
    for program in programs.iterdir():
        program.rename(into / recipe.product.renamed.get(program.name, program.name))
    programs.rmdir()
    into.chmod(0o755)
    report(f"compiled in {time.monotonic() - begin:.0f} s")


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Go, as it is called for one module."""

    go: str
    module: Path
    environment: Mapping[str, str]
    progress_every: float

    def run(self, arguments: list[str], log: Path, in_progress: Callable[[], None]) -> int:
        """Run one command, its output in a log; return its exit status."""
        nice = shutil.which("nice", path=self.environment.get("PATH"))
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [*([nice] if nice else []), self.go, *arguments],
                cwd=self.module,
                # Go's own temporary files go with the unfinished folder, also when Go can't remove them any more.
                env={**self.environment, "CGO_ENABLED": "0", "GOTMPDIR": str(log.parent)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is for this process
            ) as process,
        ):
            while True:
                try:
                    return process.wait(self.progress_every)
                except subprocess.TimeoutExpired:
                    in_progress()
                except BaseException:
                    os.killpg(process.pid, signal.SIGKILL)  # with its compilers, which would run on for a while
                    raise


def _flags(stamps: Mapping[str, str]) -> list[str]:
    stamp = " ".join(f"-X {variable}={value}" for variable, value in stamps.items())
    # The person's other GOFLAGS stay in force.
    # sandbox/kind/lib/programs.sh has the same, so that Go compiles a package for a kind node and for this only once.
    return ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", f"-s -w {stamp}"]


def _progress(log: Path, pending: int, begin: float) -> str:
    done = _packages(log)
    left = f"{max(pending - len(done), 0)} of {pending} packages left" if pending else f"{len(done)} packages so far"
    return f"compiling for {time.monotonic() - begin:.0f} s, {left}{f' ({done[-1]})' if done else ''}"


def _packages(log: Path) -> list[str]:
    """Return the import paths in Go's output: lines without a space, which a message always has."""
    return [line for line in log.read_text(errors="replace").splitlines() if line and " " not in line]


def _error_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    messages = [line for line in lines if " " in line and not line.startswith("go: downloading ")]
    return "\n".join(messages[-_ERROR_LINES:])


def _find_go(recipe: Recipe, environment: Mapping[str, str]) -> str:
    advice = f"install Go {recipe.go} or newer (https://go.dev/dl), {recipe.product.instead}"
    go = shutil.which("go", path=environment.get("PATH"))
    if go is None:
        raise ProgramsUnavailable(f"no Go found: {advice}")
    # Inside the module an older Go first tries to download the version that the module requires.
    answer = subprocess.run(
        [go, "env", "GOVERSION"], cwd=recipe.module, env=dict(environment), capture_output=True, text=True, check=False
    )
    version = re.search(r"go(\d+(?:\.\d+)*)", answer.stdout)
    if answer.returncode != 0 or version is None:
        words = answer.stderr.strip().splitlines() or ["it does not say its version"]
        raise ProgramsUnavailable(f"{go} cannot be used ({words[-1]}): {advice}")
    if _numbers(version[1]) < _numbers(recipe.go):
        raise ProgramsUnavailable(f"{go} is Go {version[1]}: {advice}")
    return go


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@contextmanager
def _locked(recipe: Recipe, lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another process is compiling {recipe.label}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
