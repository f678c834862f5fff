"""Messages between the process in which CEL is evaluated and its parent: a length, and so many bytes.

Belongs here: both ends of the pipes. Does not belong here: what a message says (`evaluator`, `evaluation`).

The child may wait for ever, it has nothing else to do. The parent waits for a time that it chooses, in both directions,
by `poll`: `select` knows no file number above 1023.

    Silence    the other end takes nothing, or says nothing
    Ended      the other end is closed, or says more than it may
"""

import os
import select
import struct
from typing import IO, Final

__all__ = ["MOST_BYTES", "Ended", "Silence", "read_frame", "receive", "send", "write_frame"]

MOST_BYTES: Final = 64 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
_AT_ONCE: Final = 1024 * 1024


class Silence(Exception):
    """The other end takes nothing, or says nothing, for too long."""


class Ended(Exception):
    """The other end is closed, or says more than it may."""


def send(pipe: IO[bytes], content: bytes, patience: float) -> None:
    """Write one message into a pipe that does not block. Raises Silence and Ended."""
    for part in (_LENGTH.pack(len(content)), content):
        rest = memoryview(part)
        while rest:
            _wait(pipe, select.POLLOUT, patience)
            try:
                rest = rest[os.write(pipe.fileno(), rest) :]
            except OSError:
                raise Ended from None


def receive(pipe: IO[bytes], patience: float) -> bytes:
    """Read one message from a pipe that does not block. Raises Silence and Ended."""
    length: int = _LENGTH.unpack(_received(pipe, _LENGTH.size, patience))[0]
    if length > MOST_BYTES:
        raise Ended
    return _received(pipe, length, patience)


def _received(pipe: IO[bytes], length: int, patience: float) -> bytes:
    content = bytearray()
    while len(content) < length:
        _wait(pipe, select.POLLIN, patience)
        part = os.read(pipe.fileno(), min(length - len(content), _AT_ONCE))
        if not part:
            raise Ended
        content += part
    return bytes(content)


def _wait(pipe: IO[bytes], event: int, patience: float) -> None:
    waiting = select.poll()
    waiting.register(pipe, event)
    if not waiting.poll(patience * 1000):
        raise Silence


def write_frame(pipe: IO[bytes], content: bytes) -> None:
    """Write one message, however long that takes."""
    pipe.write(_LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> bytes | None:
    """Return one message, however long that takes; None when the other side has ended, or sends more than it may."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size or (length := _LENGTH.unpack(head)[0]) > MOST_BYTES:
        return None
    content = pipe.read(length)
    return content if len(content) == length else None
