import asyncio
import gzip
import zlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from talkdesk_webhook.body import Bodies, BodyError, BodyFault, BodyLimits, decode, unpacked

LIMITS = BodyLimits(size=100, time=timedelta(seconds=5))
JSON = {"content-type": "application/json"}


class Sender:
    """Sends pieces; after the last it is silent if `hangs`."""

    def __init__(self, *pieces: bytes, hangs: bool = False, leaves: bool = False) -> None:
        last = len(pieces) - 1
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": n < last or hangs or leaves}
            for n, piece in enumerate(pieces)
        ]
        if leaves:
            self._messages.append({"type": "http.disconnect"})
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        if not self._messages:
            await asyncio.Event().wait()
        self.taken += 1
        return self._messages.pop(0)


async def fault(headers: dict[str, str], sender: Sender, limits: BodyLimits = LIMITS) -> tuple[BodyFault, int]:
    with pytest.raises(BodyError) as caught:
        await Bodies(limits).read(Headers(headers), sender)
    return caught.value.fault, caught.value.status


@pytest.mark.case(86)
@pytest.mark.parametrize("content_type", [None, "", "application/json", "text/plain", "multipart/form-data", "x", ";"])
@pytest.mark.parametrize("encoding", [None, "", "identity", "utf-8", "gzip", "x, y"])
async def test_a_body_in_chunks_is_joined_unchanged_whatever_its_headers_say(
    content_type: str | None, encoding: str | None
) -> None:
    said = {"content-type": content_type, "content-encoding": encoding}
    headers = Headers({name: value for name, value in said.items() if value is not None})
    assert await Bodies(LIMITS).read(headers, Sender(b"{", b"", b" }")) == b"{ }"


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "body", [gzip.compress(b" " * 101, mtime=0), b"\x1f\x8bno", gzip.compress(b"{}", mtime=0)[:-4]]
)
def test_a_compressed_body_that_can_not_be_unpacked_within_the_limit_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError) as caught:
        unpacked(body, LIMITS)
    assert (caught.value.fault, caught.value.status) == (BodyFault.ENCODED, 415)


@pytest.mark.case(86)
@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}", mtime=0), zlib.compress(b"{}")])
def test_a_compressed_body_is_unpacked(body: bytes) -> None:
    assert unpacked(body, LIMITS) == b"{}"


@pytest.mark.case(7)
@pytest.mark.parametrize("length", ["101", "99999999999999999999", "-1", "x"])
async def test_a_content_length_above_the_limit_is_refused_before_a_byte_is_read(length: str) -> None:
    sender = Sender(b"{}")
    assert await fault(JSON | {"content-length": length}, sender) == (BodyFault.TOO_LARGE, 413)
    assert sender.taken == 0


@pytest.mark.case(7)
async def test_without_length_the_limit_holds_while_reading() -> None:
    sender = Sender(*[b"x" * 10] * 50)
    assert await fault(JSON, sender) == (BodyFault.TOO_LARGE, 413)
    assert sender.taken == 11
    assert len(await Bodies(LIMITS).read(Headers(JSON), Sender(*[b"x" * 10] * 10))) == 100


@pytest.mark.case(7)
async def test_a_body_that_does_not_arrive_times_out() -> None:
    quick = BodyLimits(size=100, time=timedelta(milliseconds=10))
    assert await fault(JSON, Sender(b"{", hangs=True), quick) == (BodyFault.TOO_SLOW, 408)


async def test_when_memory_is_short_the_body_that_was_begun_first_is_cut_off() -> None:
    bodies = Bodies(BodyLimits(size=100, time=timedelta(seconds=5), together=250))

    async def outcome(sender: Sender) -> object:
        try:
            return await bodies.read(Headers(JSON), sender)
        except BodyError as error:
            return error.fault, error.status

    held = [asyncio.create_task(outcome(Sender(b"x" * 90, hangs=True))) for _ in range(3)]
    assert await held[0] == (BodyFault.CUT_OFF, 503)
    assert await outcome(Sender(b"{", b"}")) == b"{}"
    assert not held[1].done()
    held.append(asyncio.create_task(outcome(Sender(b"x" * 90, hangs=True))))
    assert await held[1] == (BodyFault.CUT_OFF, 503)
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    several = [outcome(Sender(*[b"x" * 10] * 10)) for _ in range(2)]
    assert await asyncio.gather(*several) == [b"x" * 100] * 2


async def test_a_sender_who_disconnects_has_an_incomplete_body() -> None:
    assert await fault(JSON, Sender(b"{}", leaves=True)) == (BodyFault.INCOMPLETE, 400)


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nope",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} // x',
        b"\xef\xbb\xbf",
        b"[" * 200_000,
        b"[" * 2_000 + b"]" * 2_000,
        b'{"a":' * 1_020 + b"1" + b"}" * 1_020,
        b'{"a":[' * 33 + b"]}" * 33,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError) as caught:
        decode(body)
    assert (caught.value.fault, caught.value.status) == (BodyFault.NOT_JSON, 400)


@pytest.mark.case(7)
def test_more_levels_than_any_event_has_are_read() -> None:
    deep: object = decode(b'{"a":[' * 31 + b"]}" * 31)
    for _ in range(30):
        assert isinstance(deep, dict)
        (deep,) = deep["a"]
    assert deep == {"a": []}


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "body",
    [b'{"a": 1, "a": 1}', b'{"x": [{"b": {}, "c": 1, "b": 2}]}', b'{"a":1,"\\u0061":2}', b'\xef\xbb\xbf{"a":1,"a":2}'],
)
def test_a_duplicate_name_is_refused_at_any_depth(body: bytes) -> None:
    with pytest.raises(BodyError) as caught:
        decode(body)
    assert (caught.value.fault, caught.value.status) == (BodyFault.DUPLICATE_NAME, 400)


@given(st.binary(max_size=200))
def test_no_bytes_cause_an_unexpected_error(body: bytes) -> None:
    try:
        decode(body)
    except BodyError as error:
        assert error.status == 400  # noqa: PT017 - most bytes raise, some are JSON


def test_a_long_number_is_decoded() -> None:
    assert "n" in decode(b'{"n": ' + b"9" * 300 + b"}")


def test_equal_names_in_different_objects_are_fine() -> None:
    assert decode(b'[{"a": 1}, {"a": 2, "b": {"a": 3}}]') == [{"a": 1}, {"a": 2, "b": {"a": 3}}]


@pytest.mark.case(7)
async def test_a_body_that_was_cut_while_its_next_piece_came_is_counted_no_more() -> None:
    bodies = Bodies(BodyLimits(size=100, time=timedelta(seconds=5), together=100))
    queues: list[asyncio.Queue[dict[str, Any]]] = [asyncio.Queue() for _ in range(2)]
    for queue in queues:
        queue.put_nowait({"type": "http.request", "body": b"x" * 50, "more_body": True})
    reads = [asyncio.create_task(bodies.read(Headers({}), queue.get)) for queue in queues]
    await asyncio.sleep(0.05)
    for queue in reversed(queues):  # the second has the first one cut, whose piece is there already
        queue.put_nowait({"type": "http.request", "body": b"x" * 40, "more_body": True})
    await asyncio.sleep(0.05)
    queues[1].put_nowait({"type": "http.request", "body": b"", "more_body": False})
    results = await asyncio.gather(*reads, return_exceptions=True)
    assert isinstance(results[0], BodyError)
    assert results[1] == b"x" * 90
    for _ in range(3):  # all of the memory is free again
        whole = Sender(b"x" * 50, b"x" * 50)
        assert await bodies.read(Headers({}), whole) == b"x" * 100
