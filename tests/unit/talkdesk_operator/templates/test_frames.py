"""Messages through pipes: whole, or it is said why not; and nobody is held for ever."""

import io
import os
import threading
from collections.abc import Iterator
from typing import IO

import pytest

from talkdesk_operator.templates.frames import MOST_BYTES, Ended, Silence, read_frame, receive, send, write_frame

TOO_LONG = (MOST_BYTES + 1).to_bytes(4, "big")
SHORTLY = 0.05
LONG = 10.0

Pipe = tuple[IO[bytes], IO[bytes]]


@pytest.fixture(name="pipe")
def _pipe() -> Iterator[Pipe]:
    """The end to read from and the one to write to; neither blocks."""
    numbers = os.pipe()
    for number in numbers:
        os.set_blocking(number, False)
    with os.fdopen(numbers[0], "rb", 0) as reader, os.fdopen(numbers[1], "wb", 0) as writer:
        yield reader, writer


@pytest.mark.parametrize("content", [b"", b"x", bytes(3_000_000)])
def test_a_message_arrives_as_it_was_sent_however_small_the_pipe_is(pipe: Pipe, content: bytes) -> None:
    reader, writer = pipe
    thread = threading.Thread(target=send, args=(writer, content, LONG))
    thread.start()
    assert receive(reader, LONG) == content
    thread.join(LONG)
    assert not thread.is_alive()


def test_one_who_says_nothing_or_takes_nothing_is_not_waited_for(pipe: Pipe) -> None:
    reader, writer = pipe
    with pytest.raises(Silence):
        receive(reader, SHORTLY)
    with pytest.raises(Silence):
        send(writer, bytes(1_000_000), SHORTLY)


def test_the_end_of_the_other_side_is_told(pipe: Pipe) -> None:
    reader, writer = pipe
    writer.write(b"\0\0")
    writer.close()
    with pytest.raises(Ended):
        receive(reader, LONG)


def test_nobody_reads(pipe: Pipe) -> None:
    reader, writer = pipe
    reader.close()
    with pytest.raises(Ended):
        send(writer, b"x", LONG)


def test_more_than_a_message_may_have_is_not_read(pipe: Pipe) -> None:
    reader, writer = pipe
    writer.write(TOO_LONG)
    with pytest.raises(Ended):
        receive(reader, LONG)


def test_the_child_reads_what_is_whole() -> None:
    written = io.BytesIO()
    write_frame(written, b"abc")
    assert read_frame(io.BytesIO(written.getvalue())) == b"abc"
    assert read_frame(io.BytesIO(written.getvalue()[:-1])) is None
    assert read_frame(io.BytesIO(b"\0")) is None
    assert read_frame(io.BytesIO(TOO_LONG)) is None
