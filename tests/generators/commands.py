"""The commands of our programs as a page, read from the parsers that understand them."""

import inspect
from argparse import Action, ArgumentParser
from collections.abc import Iterator
from typing import Any

from generators.markdown import page, table
from talkdesk_operator.cli.commands import COMMANDS
from talkdesk_sandbox.conformance.__main__ import parser as conformance
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
            "`talkdesk-operator` and `talkdesk-webhook` run with [settings](settings.md) alone. "
            "`--help` lists them, `--version` says which release it is."
        ),
        "## talkdesk-operator",
        "With a word as its first argument it does something else for an author; `diff` and `rollout` need a cluster:",
        *_operator_commands(),
        "## talkdesk-conformance",
        "Plays [the protocol of http steps](../concepts/http-steps.md) against a service of yours, without a cluster.",
        table(("argument", "default", "what"), map(_option, conformance()._actions[1:])),
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


def _operator_commands() -> Iterator[str]:
    """Yield the operator's commands, each with its own words and options."""
    for name, (describe, run) in COMMANDS.items():
        parser = ArgumentParser(add_help=False)
        describe(parser)
        yield f"### {name}"
        yield inspect.cleandoc(run.__doc__ or "")
        yield table(("argument", "default", "what"), map(_option, parser._actions))


def _option(action: Action) -> tuple[str, str, str]:
    shown = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    default = (
        "required" if action.required else f"`{action.default}`" if action.default not in (None, False, "", []) else ""
    )
    return f"`{shown}`", default, action.help or ""


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
