"""What all commands that control a simulator have in common."""

from pathlib import Path

import pytest

from talkdesk_sandbox.simulator.cli.register import Connection, _repeated


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["acme", "--remove", "a", "b", "--plan", "x"], ["acme", "--remove", "a", "--remove", "b", "--plan", "x"]),
        (["--remove", "a", "--remove", "b", "acme"], ["--remove", "a", "--remove", "b", "--remove", "acme"]),
        (["--remove=a", "acme"], ["--remove=a", "acme"]),
        (["--remove", "a", "--", "acme"], ["--remove", "a", "--", "acme"]),
        (["--plan", "a", "b"], ["--plan", "a", "b"]),
    ],
)
def test_each_value_of_a_repeatable_option_gets_the_options_name(args: list[str], expected: list[str]) -> None:
    assert _repeated(args, {"--remove"}) == expected


def test_a_commands_connection_options_win_over_those_of_its_group() -> None:
    of_group = Connection("http://group", Path("ca.pem"), as_json=True)
    assert Connection("http://command").or_else(of_group) == Connection("http://command", Path("ca.pem"), as_json=True)
    assert Connection().or_else(of_group) == of_group
