"""What can go wrong: one error, whose text is for the person at the terminal.

DemoFailed   something did not happen, or happened that must not; names the program whose log tells more, if one does
"""

__all__ = ["DemoFailed"]


class DemoFailed(Exception):
    """The demonstration can't go on; the message says what happened, and ends with the last lines of a log."""
