"""`python -m talkdesk_sandbox.demo [--keep]`.

Belongs here: arguments, signals, exit statuses. Does not belong here: what is shown.
Statuses: 0 all was as expected, 1 something was not, 2 something must be installed or set first,
130 or 143 interrupted.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence

from talkdesk_sandbox.controlplane import ControlPlaneError, ProgramsUnavailable
from talkdesk_sandbox.demo.environment import DemoEnvironment
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.manifests import EXAMPLE
from talkdesk_sandbox.demo.run import ACCOUNT, run
from talkdesk_sandbox.demo.terminal import Terminal
from talkdesk_sandbox.interruption import Interruption

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m talkdesk_sandbox.demo",
        description="Shows a customer's life on a control plane of its own: install, a forgery, uninstall, reinstall; "
        "the end of a trial, an upgrade, users, a rotation; and a customer whose request a person must approve.",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    keep: bool = parser.parse_args(arguments).keep
    tempfile.gettempdir()  # it tries a file there once, which an interruption would leave behind
    interruption = Interruption()
    # Everything that is called here is on this machine, whatever proxy the person has.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        return _demonstrate(Terminal(), keep=keep)
    except ProgramsUnavailable as error:
        return _fail(error, 2)
    except (DemoFailed, ControlPlaneError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 128 + interruption.signal


def _demonstrate(terminal: Terminal, *, keep: bool) -> int:
    if not EXAMPLE.is_dir():
        raise DemoFailed(f"there are no manifests at {EXAMPLE}: the demonstration runs from a checkout")
    terminal.title("Talkdesk AppConnect operator: a customer's life")
    environment = DemoEnvironment(terminal)
    with environment:
        run(environment, terminal)
        if keep:
            terminal.step("Everything runs until Ctrl-C; in another terminal:")
            terminal.lines(*_invitation(environment))
            try:
                environment.wait()
            except KeyboardInterrupt:
                return 0  # the ordinary end
    terminal.lines("", "All as expected; everything is removed again.")
    return 0


def _invitation(environment: DemoEnvironment) -> tuple[str, ...]:
    simulator, operator = (
        shlex.quote(shlex.join([sys.executable, "-m", name]))
        for name in ("talkdesk_sandbox.simulator", "talkdesk_operator")
    )
    kubectl = environment.cluster.environment
    return (
        "",
        f"export KUBECONFIG={shlex.quote(kubectl['KUBECONFIG'])}",
        f"export PATH={shlex.quote(kubectl['PATH'].partition(os.pathsep)[0])}:$PATH",
        f"export TALKDESK_SIMULATOR_URL={environment.simulator_url}",
        f"export TALKDESK_WEBHOOK_URL={environment.webhook_url}",
        f"alias talkdesk-simulator={simulator}",
        f"alias talkdesk-operator={operator}",
        f"kubectl get talkdesk    # the default namespace of this kubeconfig is {environment.app.namespace}",
        "kubectl explain talkdeskapp.spec.tenant",
        "talkdesk-simulator install initech      # another customer",
        f"talkdesk-simulator uninstall {ACCOUNT}",
        "talkdesk-simulator state",
        "",
        f"logs           {environment.logs}",
        f"webhook        {environment.callback}",
        f"metrics        {'  '.join(environment.metrics_urls)}",
        f"SCIM service   {environment.scim_url}",
        "",
        "Your own app (docs/how-to/first-app.md), which the simulated Talkdesk then sends its events to:",
        "talkdesk-simulator app YOUR_APP_ID --callback $TALKDESK_WEBHOOK_URL/events/YOUR_NAMESPACE/YOUR_APP",
        "talkdesk-simulator install umbrella --app YOUR_APP_ID",
        "",
    )


def _fail(error: Exception, status: int) -> int:
    print(f"demo: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
