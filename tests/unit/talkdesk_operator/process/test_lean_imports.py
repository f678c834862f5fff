"""What is spared stays out of a process of its own, as this one has imported more; what is used works without it."""

import subprocess
import sys

import pytest

SPARED = ("rich", "prompt_toolkit", "typer", "requests", "urllib3", "oauthlib", "websocket")

SPARE = "from talkdesk_operator.process.lean_imports import install_import_stubs; install_import_stubs()"


def in_a_process(*lines: str) -> str:
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_operator_imports_no_terminal_and_no_second_http_stack() -> None:
    found = in_a_process(
        f"import sys; {SPARE}",
        "import talkdesk_operator.wiring",
        f"print(*(name for name in {SPARED} if sys.modules.get(name) is not None))",
    )
    assert found == ""


@pytest.mark.parametrize(
    "module",
    [
        "kubernetes.aio.config",
        "kubernetes.aio.leaderelection.leaderelection",
        "kubernetes.aio.client.api_client",
        "kubernetes.client.models",
    ],
)
def test_any_part_of_a_spared_package_can_be_imported_by_itself(module: str) -> None:
    assert in_a_process(SPARE, f"import {module} as part", "print(part.__name__)") == module


def test_expressions_work_without_the_command_line_of_their_library() -> None:
    lines = (SPARE, "import cel, cel.cli", "print(cel.evaluate('1 + 1'), hasattr(cel.cli, 'app'))")
    assert in_a_process(*lines) == "2 False"


def test_what_was_imported_before_stays_as_it_is() -> None:
    found = in_a_process(
        "import cel.cli, kubernetes.aio, rich, sys",
        "before = {name: sys.modules[name] for name in ('cel.cli', 'kubernetes', 'kubernetes.aio', 'rich')}",
        SPARE,
        "print(all(sys.modules[name] is module for name, module in before.items()))",
    )
    assert found == "True"


def test_to_import_the_package_changes_nothing() -> None:
    lines = ("import sys, talkdesk_operator.__main__", "print('kubernetes' in sys.modules, 'rich' in sys.modules)")
    assert in_a_process(*lines) == "False False"
