"""`python -m talkdesk_sandbox.demo [--keep]`.

Belongs here: arguments, signals, exit statuses. Does not belong here: anything of what is shown.
Statuses: 0 all was as promised, 1 something was not, 2 something is to be installed or set first, 130 or 143 when it
was interrupted.
"""

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType

from talkdesk_sandbox.controlplane import ControlPlaneError, ProgramsUnavailable
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.life import ACCOUNT, play
from talkdesk_sandbox.demo.manifests import EXAMPLE
from talkdesk_sandbox.demo.screen import Screen
from talkdesk_sandbox.demo.stage import Stage

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demonstration; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m talkdesk_sandbox.demo",
        description="Plays a customer's life on a control plane of its own: install, a forgery, uninstall, reinstall; "
        "the end of a trial, an upgrade, users, a rotation; and a customer who waits for a person's decision.",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    keep: bool = parser.parse_args(arguments).keep
    tempfile.gettempdir()  # tries a file there once, which an interruption would leave behind
    interruption = _Interruption()
    # Whatever proxy the person has, what is talked to here is on this machine.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    try:
        return _demonstrate(Screen(), keep=keep)
    except ProgramsUnavailable as error:
        return _fail(error, 2)
    except (DemoFailed, ControlPlaneError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 128 + interruption.signal


def _demonstrate(screen: Screen, *, keep: bool) -> int:
    if not EXAMPLE.is_dir():
        raise DemoFailed(f"there are no manifests at {EXAMPLE}: the demonstration runs from a checkout")
    screen.title("Talkdesk AppConnect operator: a customer's life")
    stage = Stage(screen)
    with stage:
        play(stage, screen)
        if keep:
            screen.step("It goes on until Ctrl-C; in another terminal:")
            screen.lines(*_invitation(stage))
            try:
                stage.stay()
            except KeyboardInterrupt:
                return 0  # the ordinary end
    screen.lines("", "All as promised; everything is cleared away.")
    return 0


def _invitation(stage: Stage) -> tuple[str, ...]:
    simulator = shlex.join([sys.executable, "-m", "talkdesk_sandbox.simulator"])
    kubectl = stage.cluster.environment
    return (
        "",
        f"export KUBECONFIG={shlex.quote(kubectl['KUBECONFIG'])}",
        f"export PATH={shlex.quote(kubectl['PATH'].partition(os.pathsep)[0])}:$PATH",
        f"export TALKDESK_SIMULATOR_URL={stage.simulator_url}",
        f"alias talkdesk-simulator={shlex.quote(simulator)}",
        f"kubectl get talkdesk --namespace={stage.app.namespace}",
        "kubectl explain talkdeskapp.spec.tenant",
        f"talkdesk-simulator install initech --app {stage.app.app_id}    # another customer",
        f"talkdesk-simulator uninstall {ACCOUNT}",
        "talkdesk-simulator state",
        "",
    )


def _fail(error: Exception, status: int) -> int:
    print(f"demo: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
    return status


class _Interruption:
    """Makes SIGTERM the same as Ctrl-C, once: a second of either can't break off the clearing away."""

    def __init__(self) -> None:
        self.signal = signal.SIGINT
        """The first that came."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._begin)

    def _begin(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
