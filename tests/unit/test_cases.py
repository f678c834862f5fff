"""The table of situations lists the tests that cover them, and a promised one without a test is an error."""

import subprocess
import sys
from pathlib import Path

import pytest

from cases import TESTS, Collector, Rows, problems, table

ROWS = Rows({1: "promised", 2: "for later"}, frozenset({1}))


def test_a_row_lists_its_tests_by_tier() -> None:
    covered = {1: {("U", "tests/unit/test_a.py::test_x"), ("I", "tests/integration/test_b.py::test_y")}}
    assert list(table(ROWS, covered)) == [
        " 1  U1   I1   E-   promised",
        "      I tests/integration/test_b.py::test_y",
        "      U tests/unit/test_a.py::test_x",
        " 2  U-   I-   E-   for later",
    ]
    assert problems(ROWS, covered) == []


def test_only_a_promised_row_without_a_test_is_marked_as_missing() -> None:
    assert next(iter(table(ROWS, {}))).endswith("promised  MISSING")
    assert problems(ROWS, {}) == ["promised, but without a test: 1"]


def test_a_number_without_a_title_is_an_error() -> None:
    assert problems(ROWS, {1: {("U", "t")}, 99: {("U", "t")}}) == ["tests have numbers without a title: 99"]


def test_every_promised_row_has_a_title() -> None:
    rows = Rows.load(TESTS / "cases.toml")
    assert rows.promised <= set(rows.titles)
    assert sorted(rows.titles) == list(range(1, len(rows.titles) + 1))


def test_the_marks_of_this_test_itself_are_found(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.case(1001, 1002))
    collector = Collector()
    collector.pytest_collection_finish(request.session)
    name = "tests/unit/test_cases.py::test_the_marks_of_this_test_itself_are_found"
    assert ("U", name) in collector.covered[1001] & collector.covered[1002]


def test_a_test_file_that_cannot_be_collected_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "test_broken.py"
    broken.write_text("import nothing_of_this_name\n")
    done = subprocess.run(
        [sys.executable, str(TESTS / "cases.py"), str(broken)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nothing_of_this_name" in done.stderr
