"""Where the process begins: stand-ins for unused imports first, then everything else (`wiring`)."""

import sys
from collections.abc import Sequence

from talkdesk_operator.process.lean_imports import install_import_stubs

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator; return 0 after an orderly end, 1 when it must start anew, 2 when its settings are no good."""
    install_import_stubs()
    from talkdesk_operator.wiring import run  # noqa: PLC0415 - only now may the libraries be imported

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
