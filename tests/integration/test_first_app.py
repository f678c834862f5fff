"""The page "Write your first app" is what happens: its files are written, its commands typed, its output compared."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from builders.demonstration import Demonstration

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "how-to" / "first-app.md"
MARK: Final = "--- next"
STATUS: Final = re.compile(r"  # (\d): ")
"""Said of a command that must end with another status than 0."""


class Typed(NamedTuple):
    """A command, and what is printed under it on the page."""

    command: str
    status: int
    shown: tuple[str, ...]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield title and text of each fenced block."""
    found = re.finditer(rf'^```{language}(?: title="([^"]*)")?\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL)
    yield from ((each[1] or "", each[2]) for each in found)


def typed() -> Iterator[Typed]:
    """Yield all commands in order."""
    for _, text in blocks("console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            status = STATUS.search(command)
            yield Typed(command, int(status[1]) if status else 0, tuple(shown))


def differs(shown: tuple[str, ...], printed: str) -> bool:
    """Return whether what was printed is not what the page shows: `…` is any text, alone in a line any lines."""
    lines = [r"(?:.*\n)*?" if line == "…" else _as_pattern(line) for line in shown]
    return re.fullmatch("".join(lines), printed) is None


def _as_pattern(line: str) -> str:
    return " *".join(r".*?".join(map(re.escape, word.split("…"))) for word in line.split(" ")) + r" *\n"


@pytest.fixture(autouse=True)
def _programs_are_there(control_plane: object) -> None:
    """Compile them, where that is needed, before anything here has a time limit."""


def test_a_newcomer_who_types_what_the_page_says_sees_what_it_shows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    for title, text in blocks("yaml"):
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    commands = list(typed())
    with Demonstration("--keep") as demo:
        demo.reads("export KUBECONFIG=", within=300)
        demo.reads("YOUR_APP_ID --callback")
        given = [line for line in demo.output[-30:] if line.startswith(("export ", "alias "))]
        script = ["shopt -s expand_aliases", *given]
        for each in commands:
            script += [each.command, f'echo "{MARK} $?"']
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        demo.send(signal.SIGINT)
        assert demo.ends() == 0
    printed = re.split(rf"^{MARK} (\d+)\n", done.stdout, flags=re.MULTILINE)
    assert len(printed) == 2 * len(commands) + 1, done.stdout
    wrong = [
        f"$ {each.command}\nended with {status} and printed:\n{text}"
        for each, text, status in zip(commands, printed[::2], printed[1::2], strict=False)
        if int(status) != each.status or differs(each.shown, text)
    ]
    assert not wrong, "\n".join(wrong)
