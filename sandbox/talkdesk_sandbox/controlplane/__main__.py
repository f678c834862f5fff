"""The local control plane at the terminal: `build`, `run`, `path`, `helm` and `oauth2-proxy`.

Belongs here: arguments, exit statuses, messages. Does not belong here: anything that another program would call.
Statuses: 0 done, 1 failed, 2 something must be installed or set first, 130 interrupted.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence

from talkdesk_sandbox.controlplane.errors import ControlPlaneError, ProgramsUnavailable, report
from talkdesk_sandbox.controlplane.helm import find_helm
from talkdesk_sandbox.controlplane.plane import ControlPlane
from talkdesk_sandbox.controlplane.programs import Programs, find_programs
from talkdesk_sandbox.controlplane.tools import OAUTH2_PROXY, find_tool

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m talkdesk_sandbox.controlplane", description=__doc__)
    parser.add_argument(
        "command",
        choices=["build", "run", "path", "helm", "oauth2-proxy"],
        help="build: compile the programs if needed; run: run a control plane until Ctrl-C; path: print their folder; "
        "helm, oauth2-proxy: compile it if needed and print its path",
    )
    parser.add_argument("--fsync", action="store_true", help="run: make the database wait for the disk at each write")
    options = parser.parse_args(arguments)
    try:
        if options.command == "helm":
            print(find_helm())
            return 0
        if options.command == OAUTH2_PROXY.program:
            print(find_tool(OAUTH2_PROXY))
            return 0
        programs = find_programs()
        match options.command:
            case "path":
                print(programs.folder)
            case "run":
                return _run(programs, fsync=options.fsync)
            case _:
                pass  # build: finding them has done it
    except ProgramsUnavailable as error:
        report(str(error))
        return 2
    except ControlPlaneError as error:
        report(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(programs: Programs, *, fsync: bool) -> int:
    plane = ControlPlane(programs, fsync=fsync)
    with plane as cluster:
        print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
        print(f"export PATH={shlex.quote(str(programs.folder))}:$PATH")
        sys.stdout.flush()
        report(
            "running until Ctrl-C; paste these lines into another terminal, then for example: kubectl get namespaces"
        )
        try:
            plane.wait()
        except KeyboardInterrupt:
            return 0  # the ordinary end
    return 1  # a program ended by itself


if __name__ == "__main__":
    sys.exit(main())
