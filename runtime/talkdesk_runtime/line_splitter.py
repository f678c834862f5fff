"""Lines out of a stream of bytes, of bounded length.

Belongs here: splitting. Does not belong here: reading, and what a line means.
"""

__all__ = ["LineTooLong", "Lines"]


class LineTooLong(Exception):
    """A line is longer than the bound."""


class Lines:
    """Takes bytes in pieces of any size and returns whole lines."""

    def __init__(self, limit: int) -> None:
        """Buffer at most `limit` bytes, and one piece, of a line that has not ended yet."""
        self._limit = limit
        self._rest = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether the last line has not ended yet."""
        return bool(self._rest)

    def feed(self, piece: bytes) -> list[bytearray]:
        """Return the lines that end in this piece, without their ends, leaving out empty ones. Raises LineTooLong."""
        self._rest += piece
        lines: list[bytearray] = []
        if b"\n" in piece:
            *lines, self._rest = self._rest.split(b"\n")
        if any(len(line) > self._limit for line in (*lines, self._rest)):
            raise LineTooLong
        return [line for line in lines if line]
