"""Makes parts of our images, inside the base image: `assemble.py packages | select NAME | interpreter | program NAME`.

Each part is a folder of which the Dockerfile makes one layer. Runs in the base image, so it imports nothing but the
standard library.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path

from files import copy, debian_packages, is_elf, libraries

BUILD = Path("/build")
APP = Path("/app")
ROOT = Path("/rootfs")

UNUSED_STDLIB = (
    "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "dist-packages", "test", "tkinter", "turtledemo",
    "turtle.py", "sitecustomize.py", "__phello__", "__pycache__", "EXTERNALLY-MANAGED",
)  # fmt: skip
"""Parts of the standard library for interactive use, for tests or for installing packages."""
BESIDE = ("lib/*/libgcc_s.so.1", "etc/ssl/certs/ca-certificates.crt", "etc/ssl/openssl.cnf", "etc/os-release")
"""Files that no program names: the C library loads the first one when a thread ends."""
PACKAGES_OF = {
    "operator": ("talkdesk_operator", "talkdesk_crds", "talkdesk_runtime"),
    "webhook": ("talkdesk_webhook", "talkdesk_crds", "talkdesk_runtime"),
    "sandbox": ("talkdesk_sandbox", "talkdesk_crds", "talkdesk_runtime"),
}
"""Our packages in each image; the wheel has them all."""
COMMAND_OF = {"operator": "talkdesk-operator", "webhook": "talkdesk-webhook", "sandbox": "talkdesk-simulator"}
UNUSED_PACKAGES = {
    "operator": frozenset(
        {"rich", "pygments", "prompt-toolkit", "wcwidth", "typer", "shellingham", "markdown-it-py", "mdurl"}
    )
}
"""What a library asks for, and only its own command line needs: talkdesk_operator/process/lean_imports."""
GENERATED = ("kubernetes/client", "kubernetes/aio/client")
"""Folders of the Kubernetes client with a module for each kind and each path of its API: 50 MB of sources."""
KEPT = ("__init__.py", "v1_managed_fields_entry.py", "v1_object_meta.py", "v1_owner_reference.py")
"""The modules among these that are used: kopf looks at the last three."""
TIMESTAMP = 315_532_800
"""1980-01-01, of every file: the same input gives the same layers."""


def packages() -> None:
    """Install what is pinned for any of our programs into /app: most is needed by all, and compiled once."""
    pins = [option for name in PACKAGES_OF for option in ("--requirement", f"{BUILD}/requirements/{name}.txt")]
    _pip("--require-hashes", *pins, "--find-links", f"{BUILD}/wheels")
    _drop_generated()
    for command in (APP / "bin").iterdir():
        if not command.name.startswith("python"):
            command.unlink()
    _finish(APP)


def select(name: str) -> None:
    """Delete from /app what is not pinned for this program, and what it never imports."""
    pins = (BUILD / f"requirements/{name}.txt").read_text()
    pinned = {line.partition("==")[0] for line in pins.splitlines() if line[:1].isalnum()}
    unused = UNUSED_PACKAGES.get(name, frozenset())
    if unknown := unused - pinned:
        raise SystemExit(f"not pinned any more, so nothing to leave out: {', '.join(sorted(unknown))}")
    for each in list(distributions(path=[str(site) for site in APP.glob("lib/python3*/site-packages")])):
        if each.name.lower().replace("_", "-") not in pinned - unused:
            _delete(each)
    _set_times(APP)


def _delete(package: Distribution) -> None:
    """Delete its files, their bytecode, and folders that are empty then."""
    folders = set()
    for file in package.files or ():
        path = Path(os.path.normpath(str(package.locate_file(file))))
        path.unlink(missing_ok=True)
        if path.suffix == ".py":
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
        folders.update((path.parent / "__pycache__", *path.parents))
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        if folder.is_relative_to(APP / "lib") and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _drop_generated() -> None:
    """Delete the Kubernetes client's modules that nothing here uses; it imports each when it is asked for by name."""
    (site,) = APP.glob("lib/python3*/site-packages")
    for folder in GENERATED:
        modules = [*site.glob(f"{folder}/api/*.py"), *site.glob(f"{folder}/models/*.py")]
        if not modules:
            raise SystemExit(f"the Kubernetes client has nothing in {folder} any more: look where its parts are now")
        for module in modules:
            if module.name not in KEPT:
                module.unlink()


def program(name: str) -> None:
    """Install our own wheel into /rootfs/app, without the packages of the other programs."""
    (wheel,) = (BUILD / "own").glob("*.whl")
    _pip(str(wheel), "--root", str(ROOT))
    (site,) = (ROOT / "app").glob("lib/python3*/site-packages")
    for folder in site.glob("talkdesk_*"):
        if folder.suffix != ".dist-info" and folder.name not in PACKAGES_OF[name]:
            shutil.rmtree(folder)
    for origin in site.glob("*.dist-info/direct_url.json"):
        origin.unlink()  # where the wheel was during the build
    for command in (ROOT / "app/bin").iterdir():
        if command.name != COMMAND_OF[name]:
            command.unlink()
    _finish(ROOT / "app", run_as="/app")


def interpreter() -> None:
    """Put Python, its standard library, the libraries that it and all packages need, and certificates into /rootfs."""
    python = Path(os.path.realpath(sys.executable))
    stdlib = Path(sysconfig.get_path("stdlib"))
    copy(python, ROOT)
    for link in {Path(sys.executable), (APP / "bin/python3").readlink()}:
        copy(link, ROOT)
    shutil.copytree(stdlib, ROOT / stdlib.relative_to("/"), symlinks=True, ignore=_unused(stdlib))
    loaded = [python, *_elves(ROOT), *_elves(Path("/packages"))]
    for library in sorted(set(libraries(loaded))):
        if not library.is_relative_to("/packages"):
            copy(library, ROOT)
    for pattern in BESIDE:
        for found in Path("/").glob(pattern):
            copy(found, ROOT)
    _configure()
    (ROOT / "var/lib/dpkg/status.d").mkdir(parents=True)
    owners = debian_packages(path for path in ROOT.rglob("*") if path.is_file())
    for name, description in owners.items():
        record = ROOT / "var/lib/dpkg/status.d" / name
        record.write_text(description)
    _finish(ROOT)


def _configure() -> None:
    """Write what the C library looks for."""
    etc = ROOT / "etc"
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (etc / "ld.so.conf").write_text("/usr/local/lib\n")
    subprocess.run(["ldconfig", "-r", ROOT], check=True)
    shutil.rmtree(ROOT / "var", ignore_errors=True)


def _unused(stdlib: Path) -> Callable[[str, list[str]], set[str]]:
    """Return what `copytree` leaves out: unused parts at the top, and bytecode everywhere, which is made anew."""

    def leave_out(folder: str, names: list[str]) -> set[str]:
        if Path(folder) != stdlib:
            return {name for name in names if name == "__pycache__"}
        return {name for name in names if name in UNUSED_STDLIB or name.startswith("config-")}

    return leave_out


def _elves(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if is_elf(path))


def _pip(*arguments: str) -> None:
    command = [BUILD / "installer/bin/pip", "--python", APP / "bin/python3", "--quiet", "--disable-pip-version-check"]
    options = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--root-user-action", "ignore"]
    subprocess.run([*command, "install", *options, *arguments], check=True)


def _finish(folder: Path, *, run_as: str = "/") -> None:
    """Compile modules to bytecode that is valid without a look at their source, and give every file one time."""
    compiled = compileall.compile_dir(
        folder,
        maxlevels=30,
        quiet=1,
        force=True,
        workers=0,
        stripdir=str(folder) if run_as != "/" or folder == ROOT else None,
        prependdir=run_as if run_as != "/" or folder == ROOT else None,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"a module in {folder} can't be compiled")
    for path in folder.rglob("*.py"):
        path.chmod(0o644)  # some can be started as scripts, which nobody does
    _set_times(folder)


def _set_times(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (TIMESTAMP, TIMESTAMP), follow_symlinks=False)


if __name__ == "__main__":
    {"packages": packages, "select": select, "interpreter": interpreter, "program": program}[sys.argv[1]](*sys.argv[2:])
