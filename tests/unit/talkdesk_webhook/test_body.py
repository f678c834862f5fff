import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from talkdesk_webhook.body import BodyError, BodyFault, BodyLimits, decode, read

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
        await read(Headers(headers), sender, limits)
    return caught.value.fault, caught.value.status


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/hal+json",
        "application/vnd.talkdesk.event+json; version=1",
    ],
)
async def test_a_body_in_chunks_is_joined_unchanged(content_type: str) -> None:
    assert await read(Headers({"content-type": content_type}), Sender(b"{", b"", b" }"), LIMITS) == b"{ }"


@pytest.mark.case(7)
@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "image/svg+json", "json"]
)
async def test_another_content_type_is_refused_before_a_byte_is_read(content_type: str) -> None:
    sender = Sender(b"{}")
    assert await fault({"content-type": content_type}, sender) == (BodyFault.NOT_JSON_TYPE, 415)
    assert sender.taken == 0


@pytest.mark.case(7)
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
async def test_compressed_bodies_are_refused_before_a_byte_is_read(encoding: str) -> None:
    sender = Sender(b"{}")
    assert await fault(JSON | {"content-encoding": encoding}, sender) == (BodyFault.ENCODED, 415)
    assert sender.taken == 0


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
    assert len(await read(Headers(JSON), Sender(*[b"x" * 10] * 10), LIMITS)) == 100


@pytest.mark.case(7)
async def test_a_body_that_does_not_arrive_times_out() -> None:
    quick = BodyLimits(size=100, time=timedelta(milliseconds=10))
    assert await fault(JSON, Sender(b"{", hangs=True), quick) == (BodyFault.TOO_SLOW, 408)


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
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        b"[" * 2_000 + b"]" * 2_000,
        b'{"a":' * 1_020 + b"1" + b"}" * 1_020,
        b'{"a":[' * 33 + b"]}" * 33,
        '{"a": 1}'.encode("utf-16"),
        b'{"n": ' + b"9" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
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
@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'{"x": [{"b": {}, "c": 1, "b": 2}]}', b'{"a":1,"\\u0061":2}'])
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
