"""What can go wrong: one error, whose message is for the person at the terminal.

    DemoFailed   something expected did not happen, or something happened that must not

Whoever ends the programs adds the last lines of a log to it, as notes.
"""

__all__ = ["DemoFailed"]


class DemoFailed(Exception):
    """The demonstration can't go on."""

    def __init__(self, message: str, program: str | None = None) -> None:
        super().__init__(message)
        self.program = program
        """The program whose log says more, if there is one."""
