"""Print which tests cover which situations of `cases.toml`: `python tests/cases.py`, or `make cases`.

A row has its number, how many tests cover it in each tier (unit, integration, end to end), its title, and the tests.
The exit code is 1 when a promised row has no test, and 2 when the tests can't be collected.
"""

import contextlib
import io
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TIERS = {"unit": "U", "kind": "E"}
"""Tiers by folder. Everything else needs real programs, so it counts as integration, I."""


@dataclass(frozen=True)
class Rows:
    """The content of `cases.toml`."""

    titles: dict[int, str]
    promised: frozenset[int]

    @classmethod
    def load(cls, path: Path) -> "Rows":
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls({int(number): title for number, title in raw["titles"].items()}, frozenset(raw["promised"]))


@dataclass
class Collector:
    """A pytest plugin that collects for each number the test functions that have it, as (tier, name)."""

    root: Path = TESTS
    covered: dict[int, set[tuple[str, str]]] = field(default_factory=dict)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            name = item.nodeid.partition("[")[0]
            tier = TIERS.get(item.path.relative_to(self.root).parts[0], "I")
            for mark in item.iter_markers("case"):
                for number in mark.args:
                    self.covered.setdefault(number, set()).add((tier, name))


def table(rows: Rows, covered: dict[int, set[tuple[str, str]]]) -> Iterable[str]:
    """Yield the lines to print."""
    for number, title in sorted(rows.titles.items()):
        tests = sorted(covered.get(number, ()))
        counts = " ".join(f"{tier}{sum(t == tier for t, _ in tests) or '-':<3}" for tier in "UIE")
        missing = "  MISSING" if number in rows.promised and not tests else ""
        yield f"{number:>2}  {counts} {title}{missing}"
        yield from (f"      {tier} {name}" for tier, name in tests)


def problems(rows: Rows, covered: dict[int, set[tuple[str, str]]]) -> list[str]:
    """Return what is wrong; empty when every promised row has a test and every number a title."""
    missing = sorted(rows.promised - set(covered))
    unknown = sorted(set(covered) - set(rows.titles))
    found = [f"promised, but without a test: {', '.join(map(str, missing))}"] if missing else []
    return found + ([f"tests have numbers without a title: {', '.join(map(str, unknown))}"] if unknown else [])


def main(arguments: Sequence[str] = ()) -> int:
    """Collect, print, and return the exit code; arguments are pytest's, to select tests."""
    collector, output = Collector(), io.StringIO()
    chosen = arguments or [str(TESTS)]
    with contextlib.redirect_stdout(output):
        code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *chosen], [collector])
    if code != pytest.ExitCode.OK:
        sys.stderr.write(output.getvalue())
        return 2
    rows = Rows.load(TESTS / "cases.toml")
    wrong = problems(rows, collector.covered)
    sys.stdout.write("\n".join([*table(rows, collector.covered), *wrong, ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
