"""Rules for the files of the repository."""

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import talkdesk_crds
import talkdesk_operator
import talkdesk_runtime
import talkdesk_sandbox
import talkdesk_webhook

ROOT = Path(__file__).parents[2]
PLACES = ("crds", "runtime", "operator", "webhook", "sandbox", "tests")
PACKAGES = (talkdesk_crds, talkdesk_runtime, talkdesk_operator, talkdesk_webhook, talkdesk_sandbox)
LONG = {
    "crds/talkdesk_crds/app.py": "the fields of one kind, each with its docstring",
    "crds/talkdesk_crds/conditions.py": "every type and reason of a condition, each with its docstring",
    "crds/talkdesk_crds/events.py": "one sealed set of types, and the only door to it",
}
"""Source files of more than 300 lines, and why."""
REGISTRIES = re.compile(
    r"https?://[^\s\"'/]*(pypi|artifactory|nexus|pythonhosted|goproxy|proxy\.golang)[^\s\"']*", re.IGNORECASE
)
HOMES = re.compile(r"/(home|Users)/[a-z][-\w]+/|/root/\.")


def files() -> list[Path]:
    """Return the files that git tracks or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in files():
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def packages() -> Iterator[ModuleType]:
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.ispkg:
                yield importlib.import_module(found.name)


@pytest.mark.parametrize("place", PLACES)
def test_no_top_level_folder_is_a_python_package(place: str) -> None:
    # operator/__init__.py would hide the standard library's module from anything started in the root.
    assert not (ROOT / place / "__init__.py").exists()


def test_no_folder_of_tests_is_a_python_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("package", list(packages()), ids=lambda package: package.__name__)
def test_each_package_has_a_docstring_and_exports_only_names_that_exist(package: ModuleType) -> None:
    assert package.__doc__
    exported = package.__all__
    assert sorted(set(exported)) == sorted(exported)
    assert all(hasattr(package, name) for name in exported)


def test_each_module_has_a_docstring_and_exports_only_names_that_exist() -> None:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__"):
                continue
            module = importlib.import_module(found.name)
            assert module.__doc__, found.name
            missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
            assert not missing, found.name


def test_a_source_file_of_more_than_300_lines_has_a_reason_and_none_has_500() -> None:
    sources = [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PLACES[:5]]
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in sources}
    assert {name for name, length in lengths.items() if length > 300} == set(LONG)
    assert max(lengths.values()) < 500


@pytest.mark.parametrize("pattern", [REGISTRIES, HOMES], ids=["registry", "home"])
def test_no_file_contains_a_registry_address_or_a_home_folder(pattern: re.Pattern[str]) -> None:
    found = {name: match.group() for name, text in texts() if (match := pattern.search(text))}
    assert found == {}
