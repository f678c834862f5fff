"""`make test` runs the tests in two parts, and fails when one of them does."""

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("all_tests", Path(__file__).parents[1] / "all.py")
assert SPEC is not None
assert SPEC.loader is not None
MODULE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MODULE)


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([1, 0], 1), ([0, 1], 1), ([0, 5], 0), ([5, 0], 0), ([5, 5], 5), ([5, 1], 1), ([2, 1], 2)],
)
def test_the_exit_code_is_that_of_the_first_part_that_failed(codes: list[int], code: int) -> None:
    assert MODULE.verdict(codes) == code
