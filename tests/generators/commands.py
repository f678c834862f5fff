"""The commands of our programs as a page, read from the parsers that understand them."""

from collections.abc import Iterator
from typing import Any

from generators.markdown import page, table
from talkdesk_sandbox.simulator.cli.main import command

__all__ = ["commands_page"]

_SHARED = ("url", "ca", "as_json")
"""Options of every command that speaks to a running simulator."""


def commands_page() -> str:
    """Return what can be typed, with all options."""
    simulator = command()
    shared = [each for each in simulator.commands["install"].params if each.name in _SHARED]
    parts = [
        (
            "`talkdesk-operator` and `talkdesk-webhook` have no commands, only [settings](settings.md). "
            "`--help` lists them, `--version` says which release it is."
        ),
        "## talkdesk-simulator",
        (
            "A simulated Talkdesk to build and test an app against. "
            "All commands but `serve` speak to a running simulator and share these options:"
        ),
        table(("option", "default", "what"), _parameters(shared)),
    ]
    for name, each in _commands(simulator):
        own = [option for option in each.params if option.name not in _SHARED]
        parts += [f"### {name}", (each.help or "").strip()]
        parts += [table(("argument", "default", "what"), _parameters(own))] if own else []
    return page("Commands", *parts)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, each in group.commands.items():
        yield f"{before}{name}", each
        if hasattr(each, "commands"):
            yield from _commands(each, f"{before}{name} ")


def _parameters(parameters: list[Any]) -> Iterator[tuple[str, str, str]]:
    for each in parameters:
        shown = each.opts[0] if each.opts[0].startswith("-") else each.name.upper()
        default = "required" if each.required else f"`{each.default}`" if each.default not in (None, False, ()) else ""
        yield f"`{shown}`", default, " ".join((each.help or "").split()).replace("<", "&lt;")
