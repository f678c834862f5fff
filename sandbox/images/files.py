"""Copies files of the base image into the root of another: a file with what leads to it, and the libraries it loads.

Runs in the base image, so it imports nothing but the standard library.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["copy", "debian_packages", "is_elf", "libraries"]

_LIBRARY = re.compile(r"(/\S+) \(0x")
"""A line of ldd: `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, or the loader's path alone."""


def copy(path: Path, root: Path) -> None:
    """Copy a file under its own path, with each symbolic link on the way to it."""
    there = root / path.relative_to("/")
    for link in reversed([path, *path.parents]):
        if link.is_symlink():
            copied = root / link.relative_to("/")
            if not copied.is_symlink():
                _parent(link, root)
                copied.symlink_to(link.readlink())
            target = link.parent / link.readlink()
            copy(target / path.relative_to(link), root)
            return
    if not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, there)


def _parent(link: Path, root: Path) -> None:
    (root / link.parent.relative_to("/")).mkdir(parents=True, exist_ok=True)


def debian_packages(copied: Iterable[Path], root: Path = Path("/rootfs")) -> dict[str, str]:
    """Return what dpkg says of each package that one of these files is from, by the package's name.

    In an image it belongs into /var/lib/dpkg/status.d, where scanners for vulnerabilities look. Empty without dpkg.
    """
    if shutil.which("dpkg-query") is None:
        return {}
    paths = {f"/{path.relative_to(root)}" for path in copied}
    paths |= {path.removeprefix("/usr") for path in paths if path.startswith("/usr/lib")}  # as before the merge of both
    listed = subprocess.run(["dpkg-query", "--search", *sorted(paths)], capture_output=True, text=True, check=False)
    names = {line.partition(":")[0] for line in listed.stdout.splitlines() if not line.startswith("diversion")}
    described = {}
    for name in sorted(names):
        status = subprocess.run(["dpkg-query", "--status", name], capture_output=True, text=True, check=True).stdout
        kept = status.partition("\nConffiles:")[0].rstrip()
        described[name] = f"{kept}\n"
    return described


def is_elf(path: Path) -> bool:
    """Return whether it is a program or a shared library."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries(programs: Iterable[Path]) -> Iterator[Path]:
    """Yield the shared libraries that they load, and those that these load; raise SystemExit when one is missing."""
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        if "not found" in listed:
            raise SystemExit(f"{program} needs a library that the base image lacks:\n{listed}")
        for line in listed.splitlines():
            if found := _LIBRARY.search(line):
                yield Path(found[1])
