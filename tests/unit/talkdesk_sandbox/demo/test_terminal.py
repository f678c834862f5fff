"""What a person reads is aligned and numbered."""

import io

from talkdesk_sandbox.demo.terminal import Terminal


def printed(*facts: tuple[str, str, float | None]) -> str:
    out = io.StringIO()
    terminal = Terminal(out)
    terminal.title("A life")
    terminal.step("It begins")
    for label, text, seconds in facts:
        terminal.fact(label, text, seconds)
    terminal.step("It goes on")
    return out.getvalue()


def test_steps_are_numbered_under_a_title() -> None:
    assert printed() == "A life\n\n1  It begins\n\n2  It goes on\n"


def test_facts_are_in_one_column_with_the_time_they_took() -> None:
    lines = printed(("app", "ready", None), ("control plane", "started", 3.14)).splitlines()
    assert lines[3:5] == ["   app             ready", "   control plane   started  (3.1 s)"]


def test_a_commands_output_is_below_the_command_as_one_would_type_it() -> None:
    out = io.StringIO()
    Terminal(out).output(("kubectl", "get", "a b"), "NAME\nx\n")
    assert out.getvalue() == "\n   $ kubectl get 'a b'\n   NAME\n   x\n\n"
