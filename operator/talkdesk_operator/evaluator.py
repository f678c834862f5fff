"""The program of the child process in which CEL is evaluated that may take long (`templates.evaluation`).

It is a module of its own because stand-ins for unused imports come first, as in `__main__`.
"""

import sys

from talkdesk_operator.process.lean_imports import install_import_stubs

__all__ = ["main"]


def main() -> None:
    """Evaluate what the parent asks for, until it ends."""
    install_import_stubs()
    from talkdesk_operator.templates.evaluation import serve  # noqa: PLC0415 - only now may the libraries be imported

    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
