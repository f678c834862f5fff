"""Arguments and help of the command line.

Belongs here: what can be written and what it means. Does not belong here: running it (`cli`).
"""

import argparse
import os

URL_VARIABLE = "TALKDESK_SIMULATOR_URL"
DEFAULT_PORT = 8090

_DESCRIPTION = """\
A pretend Talkdesk to build and test an AppConnect app against: it sends signed lifecycle events to your callback,
issues tokens for private_key_jwt and Basic, serves the Apps, Account, Users and signature-key APIs, and lets things go
wrong on purpose. All in memory; nothing leaves this machine.
"""

_EPILOG = """\
first steps:
  talkdesk-simulator serve --callback http://127.0.0.1:8080/events     # in one terminal
  talkdesk-simulator install acme                                      # in another: sends app.installed
  talkdesk-simulator deliveries                                        # did your app take it?
  talkdesk-simulator requests                                          # what did your app ask?
  talkdesk-simulator state                                             # the world as a table

time and trouble:
  talkdesk-simulator clock +7d                                         # an unanswered install times out
  talkdesk-simulator faults set status status=503 route='POST *state' count=2
  talkdesk-simulator faults set duplicate event=app.installed
  talkdesk-simulator settings signature_form=raw                       # where Talkdesk's pages leave a choice
  talkdesk-simulator settings --explain                                # all such choices

Verify an event: hex-decode X-Hub-Ecdsa-Signature, fetch GET {_links.root}/events/signature-keys/{id} for the id in
X-Hub-Ecdsa-Signature-Id, base64-decode public_key, check ECDSA with SHA-512 over the raw body.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        "talkdesk-simulator",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _serve(commands)
    _customers(commands)
    _staff(commands)
    _inspection(commands)
    return top


class _Commands:
    """Adds commands that speak to a running simulator."""

    def __init__(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        self._commands = commands

    def add(self, name: str, about: str) -> argparse.ArgumentParser:
        """Add a command."""
        added = self._commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        default = os.environ.get(URL_VARIABLE, f"http://127.0.0.1:{DEFAULT_PORT}")
        added.add_argument("--url", default=default, help=f"where the simulator listens (${URL_VARIABLE}, {default})")
        added.add_argument("--ca", metavar="FILE", help="PEM bundle to trust, for a simulator with --tls-cert")
        added.add_argument("--json", action="store_true", help="print JSON on one line")
        return added

    def target(self, name: str, about: str) -> argparse.ArgumentParser:
        """Add a command to one installation that raises an event."""
        added = self.add(name, about)
        added.add_argument("account", nargs="?", help="account name; its newest live installation is meant")
        added.add_argument("--installation", metavar="ID", help="an installation id, instead of an account")
        added.add_argument("--app", dest="app_id", metavar="ID", help="which app of the account")
        _quiet(added)
        return added


def _quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-deliver",
        dest="deliver",
        action="store_const",
        const=False,
        help="keep the event; send it later with `deliver`",
    )


def _serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser("serve", help="run a simulator until Ctrl-C", description=_DESCRIPTION)
    serve.add_argument("--host", help="address to listen on (127.0.0.1; the control API has no password)")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port; 0 takes a free one ({DEFAULT_PORT})")
    serve.add_argument("--callback", dest="callback_url", metavar="URL", help="where events go; {app_id} is replaced")
    serve.add_argument("--callback-ca", metavar="FILE", help="PEM bundle to trust for an HTTPS callback")
    serve.add_argument("--public-url", metavar="URL", help="base URL that events name (where it listens)")
    serve.add_argument("--id-domain", metavar="HOST[:PORT]", help="name token URLs as {account}.HOST, not by path")
    serve.add_argument("--tls-cert", metavar="FILE", help="PEM certificate chain: speak HTTPS")
    serve.add_argument("--tls-key", metavar="FILE", help="PEM private key of the certificate")
    serve.add_argument("--clock-offset", metavar="DURATION", help="where the clock starts, from real time: =-6d, 2h")
    serve.add_argument("--seed", type=int, help="seed of everything left to chance (0)")
    serve.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="behaviour; see `settings --explain`"
    )


def _customers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = _Commands(commands)
    install = add.add("install", "a customer installs the app: app.installed")
    install.add_argument("account", help="account name; it is made when it is new")
    install.add_argument("--app", dest="app_id", metavar="ID", help="app id; it is registered when it is new")
    install.add_argument("--account-id", metavar="ID", help="id of a new account")
    install.add_argument("--root", metavar="URL", help="gateway that a new account's events name, as another region's")
    install.add_argument("--company", dest="company_name", metavar="NAME", help="company name of a new account")
    install.add_argument("--timezone", metavar="ZONE", help="of a new account (Europe/Lisbon)")
    install.add_argument("--users", type=int, metavar="N", help="how many users get a license (2)")
    install.add_argument("--plan", metavar="NAME", help="name of the plan (Standard)")
    install.add_argument("--licenses", type=int, metavar="N", help="licenses bought (3)")
    install.add_argument("--trial", action="store_true", help="a trial, which starts once you approve")
    _quiet(install)
    update = add.target("update", "the customer changes users or plan: app.updated")
    update.add_argument("--add", dest="adding", type=int, metavar="N", help="license N new users")
    update.add_argument("--remove", dest="removing", nargs="+", metavar="USER", help="take licenses away, by user id")
    update.add_argument("--licenses", type=int, metavar="N", help="licenses to have")
    update.add_argument("--plan", metavar="NAME", help="plan to have")
    update.add_argument("--type", choices=("trial", "paid"), help="kind of plan to have; paid ends a trial")
    uninstall = add.target("uninstall", "the customer uninstalls: app.uninstalled")
    uninstall.add_argument("--reason", metavar="TEXT", help="the customer's words")
    uninstall.add_argument("--reason-type", metavar="TYPE", help="the reason's type (other)")
    reinstall = add.add("reinstall", "the customer installs again: app.installed")
    reinstall.add_argument("account", help="account name")
    reinstall.add_argument("--app", dest="app_id", metavar="ID", help="which app of the account")
    reinstall.add_argument("--same-id", action="store_const", const=True, help="with the old installation id")
    _quiet(reinstall)
    logout = add.target("logout", "a user logs out: user.logout")
    logout.add_argument("--user", metavar="ID", help="which user (the first licensed one)")


def _staff(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = _Commands(commands)
    rotate = add.target("rotate", "Talkdesk rotates credentials: app.credentials_rotated")
    rotate.add_argument("--compromised", action="store_const", const=True, help="the old set is dead at once")
    trial = add.add("trial", "a trial starts, is extended or ends: app.trial_*")
    trial.add_argument("action", choices=("start", "extend", "end"))
    trial.add_argument("account", nargs="?", help="account name; its newest live installation is meant")
    trial.add_argument("--installation", metavar="ID", help="an installation id, instead of an account")
    trial.add_argument("--app", dest="app_id", metavar="ID", help="which app of the account")
    trial.add_argument("--length", metavar="DURATION", help="of start and extend (30d)")
    trial.add_argument("--reason", choices=("trial_expired", "app_uninstalled", "plan_upgraded"), help="of end")
    _quiet(trial)
    for name in ("suspend", "resume", "revoke"):
        add.target(name, f"Talkdesk's staff {name}s an installation; no event")
    users = add.add("users", "an account's users change; no event")
    users.add_argument("account", help="account name")
    users.add_argument("--add", type=int, metavar="N", help="add N users")
    users.add_argument("--license", action="store_const", const=True, help="give the added ones licenses")
    users.add_argument("--remove", nargs="+", metavar="USER", help="remove users, by id")
    users.add_argument("--deactivate", nargs="+", metavar="USER", help="deactivate users, by id")
    rename = add.add("rename", "an account gets another name; its token URL changes")
    rename.add_argument("account", help="account name")
    rename.add_argument("name", help="new name")
    app = add.add("app", "register or change an app")
    app.add_argument("app_id", help="app id")
    app.add_argument("--callback", metavar="URL", help="where its events go")
    app.add_argument("--scopes", nargs="+", metavar="SCOPE", help="all its scopes")
    app.add_argument("--name", help="its name")
    app.add_argument("--version-name", metavar="VERSION", help="its version's name")


def _inspection(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add = _Commands(commands)
    add.add("state", "print the world as a table")
    for name in ("deliveries", "events"):
        listing = add.add(name, f"list {name}")
        listing.add_argument("--installation", metavar="ID", help="of one installation")
    listing = add.add("requests", "list what your app asked of Talkdesk")
    listing.add_argument("--installation", metavar="ID", help="of one installation")
    listing.add_argument("--effect", help="with one effect: approve, reject, token, acknowledged, rotated")
    listing.add_argument("--since", type=int, metavar="N", help="after a sequence number")
    listing.add_argument("--clear", action="store_true", help="forget them instead")
    clock = add.add("clock", "tell the simulator's time, or move it forward")
    clock.add_argument("by", nargs="?", metavar="DURATION", help="+7d, 1h30m, 90 (seconds)")
    settings = add.add("settings", "print or change the behaviour")
    settings.add_argument("set", nargs="*", metavar="NAME=VALUE", help="what to change")
    settings.add_argument("--explain", action="store_true", help="print what each setting means, and its values")
    _faults(add.add("faults", "let things go wrong: faults set KIND [NAME=VALUE ...], faults list, faults clear [N]"))
    deliver = add.add("deliver", "deliver an event, again if it was before")
    deliver.add_argument("event", help="event id")
    deliver.add_argument("--to", metavar="URL", help="somewhere else than the app's callback")
    add.add("release", "deliver what `faults set hold` held back")
    add.add("rotate-signing-key", "sign events with a new key from now on")


def _faults(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list them, and how often each has hit")
    clear = actions.add_parser("clear", help="clear one, or all")
    clear.add_argument("number", type=int, nargs="?")
    kinds = actions.add_parser(
        "set",
        help="set one",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
of requests (route='METHOD /path' with *):  delay seconds=  drop  timeout seconds=  status status= retry_after=
    malformed  empty  huge size=  redirect location=      [after_effect=true: takes effect first]
of events (event=app.* installation=*):     duplicate copies=  hold events=  slow seconds=  tamper  lose
of all:                                     count=  skip=  probability=
""",
    )
    kinds.add_argument("kind")
    kinds.add_argument("fields", nargs="*", metavar="NAME=VALUE")
