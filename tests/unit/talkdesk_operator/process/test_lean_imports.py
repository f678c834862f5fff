"""Tried in processes of their own, because this one has imported more: unused modules stay out, used ones work."""

import subprocess
import sys

import pytest

UNUSED = ("rich", "prompt_toolkit", "typer", "requests", "urllib3", "oauthlib", "websocket")

INSTALL = "from talkdesk_operator.process.lean_imports import install_import_stubs; install_import_stubs()"


def in_a_process(*lines: str) -> str:
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_operator_imports_no_terminal_and_no_second_http_stack() -> None:
    found = in_a_process(
        f"import sys; {INSTALL}",
        "import talkdesk_operator.wiring",
        f"print(*(name for name in {UNUSED} if sys.modules.get(name) is not None))",
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
def test_any_part_of_a_package_with_a_stand_in_can_be_imported_by_itself(module: str) -> None:
    assert in_a_process(INSTALL, f"import {module} as part", "print(part.__name__)") == module


def test_expressions_work_without_the_command_line_of_their_library() -> None:
    lines = (INSTALL, "import cel, cel.cli", "print(cel.evaluate('1 + 1'), hasattr(cel.cli, 'app'))")
    assert in_a_process(*lines) == "2 False"


def test_what_was_imported_before_stays_as_it_is() -> None:
    found = in_a_process(
        "import cel.cli, kubernetes.aio, rich, sys",
        "before = {name: sys.modules[name] for name in ('cel.cli', 'kubernetes', 'kubernetes.aio', 'rich')}",
        INSTALL,
        "print(all(sys.modules[name] is module for name, module in before.items()))",
    )
    assert found == "True"


def test_importing_the_main_module_changes_nothing() -> None:
    lines = ("import sys, talkdesk_operator.__main__", "print('kubernetes' in sys.modules, 'rich' in sys.modules)")
    assert in_a_process(*lines) == "False False"
