"""The console scripts of this package, each of which needs an extra (`pip install 'talkdesk-operator[webhook]'`).

Belongs here: which extra a program needs, and saying so where it is missing. Does not belong here: what programs do;
they are imported by name, because this package knows none of them. Standard library only, as all else may be missing.
"""

import sys
from importlib import import_module
from importlib.metadata import version

__all__ = ["DISTRIBUTION", "conformance", "installed_version", "operator", "scim", "simulator", "webhook"]

DISTRIBUTION = "talkdesk-operator"
_OURS = "talkdesk_"


def installed_version() -> str:
    """Return the version of this package, such as 0.1.0."""
    return version(DISTRIBUTION)


def operator() -> int:
    """Run `talkdesk-operator`; return its exit status."""
    return _run("talkdesk-operator", "operator", "talkdesk_operator.__main__")


def webhook() -> int:
    """Run `talkdesk-webhook`; return its exit status."""
    return _run("talkdesk-webhook", "webhook", "talkdesk_webhook.__main__")


def simulator() -> int:
    """Run `talkdesk-simulator`; return its exit status."""
    return _run("talkdesk-simulator", "sandbox", "talkdesk_sandbox.simulator.__main__")


def scim() -> int:
    """Run `talkdesk-scim`; return its exit status."""
    return _run("talkdesk-scim", "sandbox", "talkdesk_sandbox.scim.__main__")


def conformance() -> int:
    """Run `talkdesk-conformance`; return its exit status."""
    return _run("talkdesk-conformance", "sandbox", "talkdesk_sandbox.conformance.__main__")


def _run(program: str, extra: str, module: str) -> int:
    try:
        status: int = import_module(module).main()  # the operator's imports what it needs when it is called
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if not package or package.startswith(_OURS):
            raise
        sys.stderr.write(
            f"{program}: the Python package {package} is missing; it comes with an extra: "
            f"pip install '{DISTRIBUTION}[{extra}]'\n"
        )
        return 2
    return status
