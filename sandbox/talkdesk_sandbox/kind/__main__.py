"""`python -m talkdesk_sandbox.kind up|down|demo|engine`.

Belongs here: commands, exit statuses, messages. Does not belong here: anything that another program would call.
Statuses: 0 done, 1 failed, 2 something must be installed first, 130 or 143 interrupted.
"""

import os
import shlex
import sys
from collections.abc import Callable

import typer

from talkdesk_sandbox.controlplane.errors import ControlPlaneError
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.terminal import Terminal
from talkdesk_sandbox.interruption import Interruption
from talkdesk_sandbox.kind import deployment
from talkdesk_sandbox.kind.cluster import KindCluster
from talkdesk_sandbox.kind.demo import demonstrate
from talkdesk_sandbox.kind.engine import ensure_engine
from talkdesk_sandbox.kind.errors import EngineUnavailable, KindError, ToolUnavailable, report

__all__ = ["main"]

_app = typer.Typer(add_completion=False, help="A kind cluster of this checkout.", no_args_is_help=True)


@_app.command()
def up() -> None:
    """Make the cluster, or find that it is there, bring our images into it, and print how to use it."""
    kind = KindCluster.of_checkout(stays=True)
    kind.up()
    deployment.install(kind, deployment.build_images())
    print(f"export KUBECONFIG={shlex.quote(str(kind.kubeconfig))}")
    print(f"export PATH={shlex.quote(str(kind.cluster.program.parent))}:$PATH")


@_app.command()
def down() -> None:
    """Remove the cluster and all that belongs to it, and clusters that nobody uses any more."""
    KindCluster.of_checkout().down()


@_app.command()
def demo() -> None:
    """Play a customer's life in the cluster, and leave it for a look around."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # all that is called from here is here
    demonstrate(Terminal())


@_app.command()
def engine() -> None:
    """Make sure that a Docker engine answers: install and start one if needed. Status 2 when there can't be one."""
    ensure_engine()


def main() -> int:
    """Run one command; return the exit status."""
    interruption = Interruption()
    command: Callable[..., object] = typer.main.get_command(_app)
    try:
        command(standalone_mode=False)
    except typer.TyperException as problem:
        report(problem.format_message())
        return 2
    except (EngineUnavailable, ToolUnavailable) as error:
        report(str(error))
        return 2
    except (KindError, ControlPlaneError, DemoFailed) as error:
        report(str(error))
        return 1
    except KeyboardInterrupt:
        return 128 + interruption.signal
    return 0


if __name__ == "__main__":
    sys.exit(main())
