"""The commands at the terminal: `render`, `diff`, `test`, `explain` and `rollout`.

Belongs here: arguments, exit statuses, messages. Does not belong here: anything that another program would call.
Statuses: 0 done, 1 the template can't be rendered, a case differs, a rollout is not complete or can't be changed, 2
wrong usage or a file that can't be used; of `diff` 1 is a difference, and 2 is all else.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from talkdesk_operator.cli import explain
from talkdesk_operator.cli.documents import UnusableFile, placed, read_app, read_map
from talkdesk_operator.cli.golden import Case, cases_in
from talkdesk_operator.cli.offline import CannotRender, customer_of, rendering, usable
from talkdesk_operator.cli.printing import tenant_as_yaml
from talkdesk_operator.cli.samples import SAMPLES

__all__ = ["COMMANDS", "parser", "run"]

_PROGRAM: Final = "talkdesk-operator"
_ACTIONS: Final = ("status", "history", "pause", "resume", "undo")
_Command: TypeAlias = Callable[[argparse.Namespace], int]


def run(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    options = parser().parse_args(arguments)
    command: _Command = options.command
    try:
        return command(options)
    except UnusableFile as error:
        return _complain(2, error)
    except CannotRender as error:
        return _complain(1, error)
    except BrokenPipeError:  # such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    whole = argparse.ArgumentParser(prog=_PROGRAM, allow_abbrev=False)
    commands = whole.add_subparsers(required=True)
    for name, (describe, command) in COMMANDS.items():
        each = commands.add_parser(name, help=_first_line(command), description=command.__doc__, allow_abbrev=False)
        each.set_defaults(command=command)
        describe(each)
    return whole


def _describe_input(options: argparse.ArgumentParser) -> None:
    options.add_argument("-f", "--filename", type=Path, required=True, metavar="FILE", help="YAML with the TalkdeskApp")
    options.add_argument("--app", default="", metavar="NAME", help="which one, where the file has several")
    customer = options.add_mutually_exclusive_group()
    customer.add_argument(
        "--sample",
        choices=list(SAMPLES),
        default="paid",
        help="a made-up customer (paid): " + "; ".join(f"{name}: {what}" for name, what in SAMPLES.items()),
    )
    customer.add_argument(
        "--installation", type=Path, metavar="FILE", help="a real one, from `kubectl get tdi NAME -o yaml`"
    )
    options.add_argument(
        "--values", type=Path, metavar="FILE", help="YAML with values of the customer's TalkdeskTenant"
    )
    options.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="one of these values; JSON, or else a text"
    )


def _describe_render(options: argparse.ArgumentParser) -> None:
    _describe_input(options)
    options.add_argument("--show-secrets", action="store_true", help="print what is in Secrets, too")


def _render(options: argparse.Namespace) -> int:
    """Print what the operator would apply for a customer, without a cluster and with made-up credentials.

    The output is YAML in the order in which it is applied.
    """
    app = usable(read_app(options.filename, options.app))
    found = rendering(app, customer_of(app, options.sample, options.installation), _values(options))
    sys.stdout.write(tenant_as_yaml(found.tenant, found.state, show_secrets=options.show_secrets))
    return 0


def _values(options: argparse.Namespace) -> dict[str, Any]:
    return (read_map(options.values) if options.values is not None else {}) | _pairs(options.set)


def _describe_diff(options: argparse.ArgumentParser) -> None:
    _describe_input(options)
    options.add_argument("-n", "--namespace", default="", metavar="NAME", help="the app's, in the place of the file's")
    options.add_argument("--kubeconfig", type=Path, metavar="FILE", help="another than that of `kubectl`")


def _diff(options: argparse.Namespace) -> int:
    """Print what the operator would change in the cluster for a customer, asked by dry runs of the API server.

    They are made in the name of the app's service account, so you need the right to impersonate it, and to read the
    customer's TalkdeskTenant, whose name and values are used. What is in Secrets is not shown, and what comes of
    credentials is not compared. A customer who is pinned to another revision is compared with the template all the
    same, and the first line says that it changes nothing as long as it is pinned. The exit status is that of
    `kubectl diff`: 0 without a difference, 1 with one, 2 when something went wrong.
    """
    from talkdesk_operator.cli.diff import differences  # noqa: PLC0415 - the other commands need no cluster

    try:
        app = usable(placed(read_app(options.filename, options.app), options.namespace))
        return differences(app, customer_of(app, options.sample, options.installation), _values(options), options)
    except CannotRender as error:
        return _complain(2, error)


def _describe_test(options: argparse.ArgumentParser) -> None:
    options.add_argument("folder", type=Path, metavar="DIR", help="where the cases are, each a folder with a case.yaml")
    options.add_argument("--update", action="store_true", help="write what is rendered as what is expected")


def _test(options: argparse.Namespace) -> int:
    """Render the cases of a folder and compare them with what is expected.

    A case is a folder with `case.yaml` (`app: FILE`, `sample: NAME` or `installation: FILE`, and `values`, if any) and
    `expected.yaml`, which `--update` writes.
    """
    cases = list(cases_in(options.folder))
    if options.update:
        for each in cases:
            each.update()
        sys.stdout.write(f"{len(cases)} cases written\n")
        return 0
    different = [each for each in cases if not _passes(each)]
    sys.stdout.write(f"{len(cases) - len(different)} of {len(cases)} cases passed\n")
    return 1 if different else 0


def _passes(case: Case) -> bool:
    difference = case.difference()
    sys.stdout.write(difference)
    return not difference


def _describe_explain(options: argparse.ArgumentParser) -> None:
    options.add_argument("what", choices=["template"], help="the only thing to be explained yet")


def _explain(_: argparse.Namespace) -> int:
    """Print every variable and function that a template can use, with an example."""
    sys.stdout.write(explain.as_text())
    return 0


def _describe_rollout(options: argparse.ArgumentParser) -> None:
    options.add_argument("action", choices=_ACTIONS, metavar="ACTION", help=", ".join(_ACTIONS))
    options.add_argument("app", metavar="APP", help="name of the TalkdeskApp")
    options.add_argument("-n", "--namespace", required=True, metavar="NAME", help="the app's namespace")
    options.add_argument(
        "--to-revision",
        default="",
        metavar="REVISION",
        help="name or number of a revision for `undo`; `latest` follows the template again, also with `resume`",
    )
    options.add_argument("--kubeconfig", type=Path, metavar="FILE", help="another one than the default")


def _rollout(options: argparse.Namespace) -> int:
    """Show, stop, continue or take back the rollout of a template's change, in a cluster and in your name.

    `status` ends with 1 while it is not complete. `pause`, `resume` and `undo` change `spec.templateRollout` of the
    app and print what to write into Git. `undo` pins the revision that all tenants had before.
    """
    from talkdesk_operator.cli.rollout import RolloutRefused, run_on_cluster  # noqa: PLC0415 - it alone needs a cluster

    try:
        text, status = run_on_cluster(options)
    except RolloutRefused as error:
        return _complain(1, error)
    sys.stdout.write(text)
    return status


COMMANDS: Final[dict[str, tuple[Callable[[argparse.ArgumentParser], None], _Command]]] = {
    "render": (_describe_render, _render),
    "diff": (_describe_diff, _diff),
    "test": (_describe_test, _test),
    "explain": (_describe_explain, _explain),
    "rollout": (_describe_rollout, _rollout),
}
"""By name: what adds the options, and what runs it."""


def _pairs(texts: Sequence[str]) -> dict[str, Any]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UnusableFile(f"--set: write NAME=VALUE, not {text!r}")
        try:
            values[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            values[name] = value
    return values


def _first_line(command: _Command) -> str:
    return (command.__doc__ or "").partition("\n")[0]


def _complain(code: int, problem: Exception) -> int:
    sys.stderr.write(f"{_PROGRAM}: {problem}\n")
    return code
