"""Every module has its place: import-linter's layers name all of them, and the picture of the rooms is true."""

import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import talkdesk_crds
import talkdesk_operator
import talkdesk_runtime
import talkdesk_sandbox
import talkdesk_webhook
from generators import structure
from generators.written import ARCHITECTURE, picture_in, with_picture

ROOT = Path(__file__).parents[2]
PACKAGES = (talkdesk_crds, talkdesk_runtime, talkdesk_operator, talkdesk_webhook, talkdesk_sandbox)


def layers() -> Iterator[str]:
    """The modules that a contract of layers names, within a package."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            for layer in contract["layers"]:
                yield from (name.strip(" ()") for name in layer.replace(":", "|").split("|") if "." in name)


def homeless(module: str, named: frozenset[str]) -> bool:
    """Whether neither the module nor a package that holds it is named, nor anything that it holds."""
    parts = module.split(".")
    above = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return not above & named and not any(name.startswith(f"{module}.") for name in named)


def modules() -> Iterator[str]:
    for package in PACKAGES:
        yield from (found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))


def test_every_module_is_in_a_layer() -> None:
    named = frozenset(layers())
    assert [module for module in modules() if homeless(module, named)] == []


def test_every_layer_names_a_module_that_exists() -> None:
    assert frozenset(layers()) - frozenset(modules()) == frozenset()


def test_a_new_module_in_no_layer_is_noticed() -> None:
    named = frozenset({"package.inner.room"})
    assert homeless("package.new", named)
    assert homeless("package.inner.new", named)
    assert not homeless("package.inner", named)
    assert not homeless("package.inner.room.new", named)


def test_the_picture_in_the_architecture_is_drawn_from_todays_imports() -> None:
    # `make docs` draws it anew.
    assert picture_in(ARCHITECTURE.read_text(encoding="utf-8")) == structure.draw()


def test_the_picture_has_every_room_of_the_operator() -> None:
    drawn = set(structure.OPERATOR) | set(structure.DOMAIN)
    outside = [m for m in modules() if m.startswith("talkdesk_operator.") and homeless(m, frozenset(drawn))]
    assert outside == []


def test_a_circle_of_rooms_is_an_error() -> None:
    circle = structure.House(("a", "b"), {"a": {"b"}, "b": {"a"}})
    with pytest.raises(RecursionError):
        _ = circle.floors


def test_a_document_without_a_place_for_the_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place"):
        with_picture("text", "picture")
