import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from talkdesk_runtime.open_files import allow_open_files
allow_open_files(wanted)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "after", "warns"),
    [(128, 512, 256, 256, False), (300, 512, 256, 300, False), (128, 512, 4096, 512, True)],
    ids=["raised", "high enough", "more than the system allows"],
)
def test_as_many_files_may_be_open_as_are_needed(soft: int, hard: int, wanted: int, after: int, *, warns: bool) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("the machine's own limit is lower")
    command = [sys.executable, "-c", PROGRAM, *map(str, (soft, hard, wanted))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{after} {hard}"
    assert ("process.few_open_files" in done.stdout) == warns
