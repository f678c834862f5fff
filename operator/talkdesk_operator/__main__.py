"""Where the process begins: stand-ins for unused imports first, then everything else (`wiring`)."""

import sys
from collections.abc import Sequence

from talkdesk_operator.process.lean_imports import install_import_stubs

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return 0 after an orderly end, 1 when it must start anew, 2 when its settings are no good.

    Where the first argument is a word, it is a command for people: see `cli.commands`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    install_import_stubs()
    # Only now may the libraries be imported.
    if given and not given[0].startswith("-"):
        from talkdesk_operator.cli.commands import run as run_command  # noqa: PLC0415

        return run_command(given)
    from talkdesk_operator.wiring import run  # noqa: PLC0415

    return run(given)


if __name__ == "__main__":
    sys.exit(main())
