"""Looks at an image from within and prints what it finds as JSON: `python - PACKAGES MODULES`, this being the input.

Belongs here: finding. Does not belong here: what is right (`tests/kind/test_images.py`). There is nothing to import but
what the image has.
"""

import ast
import importlib
import importlib.util
import json
import os
import pkgutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

SITE = Path("/app/lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
NOT_OURS = {"proc", "sys", "dev"}
"""Folders at the top that the engine puts there."""


def files() -> Iterator[Path]:
    for top in Path("/").iterdir():
        if top.name not in NOT_OURS and not top.is_symlink():
            yield from (path for path in top.rglob("*") if not path.is_symlink())


def executables() -> Iterator[str]:
    for path in files():
        if path.is_file() and os.access(path, os.X_OK) and ".so" not in path.name:
            yield str(path)


def loose() -> Iterator[str]:
    """What somebody other than root owns or may write, or what gives its user another's rights."""
    for path in files():
        found = path.stat()
        # The engine mounts these three for each container.
        if str(path) in {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}:
            continue
        if found.st_uid or found.st_gid or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID):
            yield str(path)


def without_bytecode() -> Iterator[str]:
    """Modules without bytecode that is valid without a look at the source."""
    for path in files():
        if path.suffix == ".py":
            compiled = Path(importlib.util.cache_from_source(str(path)))
            if not compiled.is_file() or compiled.read_bytes()[4:8] != b"\x01\x00\x00\x00":
                yield str(path)


def imports_of(module: str) -> Iterator[tuple[str, str]]:
    """Each import statement of a module, also within functions: what is imported, and the name from it."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    for node in ast.walk(ast.parse(Path(found.origin).read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def failing_imports(packages: list[str]) -> Iterator[str]:
    """Do every import of every module of these packages."""
    for package in packages:
        folder = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(folder, f"{package}."):
            for module, name in imports_of(found.name):
                try:
                    imported = importlib.import_module(module)
                    if name and not hasattr(imported, name):
                        importlib.import_module(f"{module}.{name}")
                except ImportError as error:
                    yield f"{found.name}: {module} {name}: {error}"


def missing_classes() -> set[str]:
    """Names that the Kubernetes client offers and the image does not have."""
    missing = set()
    for name in ("kubernetes.client", "kubernetes.aio.client"):
        module = importlib.import_module(name)
        for each in module.__all__:
            try:
                getattr(module, each)
            except (ImportError, AttributeError):
                missing.add(each)
    return missing


def mentions(names: set[str]) -> Iterator[str]:
    """Where a module that is loaded names one of them."""
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not path or not path.startswith(str(SITE)) or not path.endswith(".py"):
            continue
        if path.endswith(("kubernetes/client/__init__.py", "kubernetes/aio/client/__init__.py")):
            continue  # they offer them
        for node in ast.walk(ast.parse(Path(path).read_text())):
            word = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if word in names:
                yield f"{name}: {word}"


def importers_of(modules: set[str]) -> Iterator[str]:
    """Every module, loaded or not, that imports one of these packages."""
    for path in SITE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            found: list[str] = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found = [node.module]
            if any(each.partition(".")[0] in modules for each in found):
                yield ".".join(path.relative_to(SITE).with_suffix("").parts)


def main(packages: list[str], absent: set[str]) -> None:
    if "talkdesk_operator" in packages:
        stubs = importlib.import_module("talkdesk_operator.process.lean_imports")
        stubs.install_import_stubs()
    failing = sorted(failing_imports(packages))
    missing = missing_classes()
    print(  # noqa: T201 - this is the answer
        json.dumps(
            {
                "uid": os.getuid(),
                "environment": dict(os.environ),
                "distributions": sorted(each.name.lower().replace("_", "-") for each in distributions()),
                "executables": sorted(executables()),
                "loose": sorted(loose()),
                "without_bytecode": sorted(without_bytecode()),
                "failing_imports": failing,
                "missing_classes": len(missing),
                "mentions": sorted(set(mentions(missing))),
                "importers": sorted(set(importers_of(absent))),
                "loaded": sorted(sys.modules),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1].split(","), set(sys.argv[2].split(",")))
