"""Run all tests in two parts: unit tests by several processes, then everything that needs real programs, by one.

`python tests/all.py`, or `make test`. Arguments are those of pytest; with a path among them there is one part, of that.
The exit code is pytest's, that of the first part that failed.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parent
UNIT = ("tests/unit", "-q", "-n", "3", "--dist=worksteal")
OTHER = ("--ignore=tests/unit",)
OK, NOTHING_SELECTED = 0, 5


def main(arguments: Sequence[str]) -> int:
    if any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        return _pytest(*arguments)
    codes = [_pytest(*part, *arguments) for part in (UNIT, OTHER)]
    return verdict(codes)


def verdict(codes: Sequence[int]) -> int:
    """Return the exit code of all parts: a part in which nothing was selected counts only if that is so in each."""
    failed = [code for code in codes if code not in {OK, NOTHING_SELECTED}]
    return failed[0] if failed else min(codes)


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=TESTS.parent, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
