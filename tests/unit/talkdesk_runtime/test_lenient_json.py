import gzip
import json
import math
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.lenient_json import DuplicateNameError, UnreadableError, check_names, read_lenient, unpacked

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.case(86)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_unicode_encoding_is_read_with_and_without_its_mark(encoding: str) -> None:
    assert read_lenient('{"name": "Zoë 🙂"}'.encode(encoding)) == {"name": "Zoë 🙂"}


@pytest.mark.case(86)
@pytest.mark.parametrize(
    ("document", "value"),
    [
        (rb'"Acme \ud83d"', "Acme \ufffd"),
        (rb'"\udc00\ud800"', "\ufffd\ufffd"),
        (rb'{"\ud83d": ["\ud83d"]}', {"\ufffd": ["\ufffd"]}),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'["\ud83d\ude42", "\ud83d"]', ["🙂", "\ufffd"]),
        (b'"Acm\xe9"', "Acm\ufffd"),
        (b'"a\tb\nc\x00"', "a\tb\nc\x00"),
        (b"[NaN, Infinity, -Infinity, 1e999]", [None, None, None, None]),
        (b"9" * 5000, None),
        (b"[1, -1, 1.5, 123456789012345678901234567890, NaN]", [1, -1, 1.5, 1.2345678901234568e29, None]),
        (b" \n{}\n", {}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_others_write_is_read(document: bytes, value: Any) -> None:
    assert read_lenient(document) == value


@pytest.mark.parametrize(
    "document", [b"", b" ", b"\xef\xbb\xbf", b"nope", b"{", b"{}{}", b"[1,]", b"<html>", b"[" * 100_000]
)
def test_what_is_no_json_is_unreadable(document: bytes) -> None:
    with pytest.raises(UnreadableError, match="is not JSON"):
        read_lenient(document)


@pytest.mark.parametrize("depth", [1025, 2000, 5000, 50_000])
@pytest.mark.parametrize("inside", [b"", b"NaN"])
def test_nesting_that_no_reader_holds_is_unreadable_on_each_python(depth: int, inside: bytes) -> None:
    with pytest.raises(UnreadableError, match="is not JSON"):
        read_lenient(b"[" * depth + inside + b"]" * depth)


@given(st.binary(max_size=100) | st.binary(max_size=50).map(lambda raw: b'{"a": "' + raw + b'"}'))
def test_whatever_is_read_can_be_written(document: bytes) -> None:
    try:
        value = read_lenient(document)
    except UnreadableError:
        return
    orjson.dumps(value)


@given(VALUES, st.sampled_from(ENCODINGS))
def test_json_means_the_same_in_each_encoding(value: Any, encoding: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if encoding == "utf-8" or len(text) > 1:
        assert read_lenient(text.encode(encoding)) == value


@given(st.floats())
def test_each_number_is_finite_or_none(number: float) -> None:
    value = read_lenient(json.dumps([number]).encode())[0]
    assert value == number if math.isfinite(number) else value is None


@pytest.mark.parametrize("document", [b'{"a": 1, "a": 2}', rb'[{"a": "\ud800", "\u0061": 2}]'])
def test_equal_names_are_found(document: bytes) -> None:
    with pytest.raises(DuplicateNameError):
        check_names(document)
    check_names(b'[{"a": 1}, {"a": 2}]')


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda body: body])
def test_a_body_is_unpacked_by_what_it_is(pack: Any) -> None:
    body = b'{"a": 1}' * 20
    assert unpacked(pack(body), len(body)) == body
    if pack(body) != body:
        with pytest.raises(UnreadableError, match="too big"):
            unpacked(pack(body), len(body) - 1)
        with pytest.raises(UnreadableError, match="cut off"):
            unpacked(pack(body)[:-2], len(body))


@given(st.binary(max_size=200), st.integers(0, 100))
def test_no_bytes_are_unpacked_to_more_than_the_bound(body: bytes, most: int) -> None:
    packed = gzip.compress(body)
    try:
        assert unpacked(packed, most) == body
        assert len(body) <= most
    except UnreadableError:
        assert len(body) > most


def test_what_can_not_be_unpacked_is_said() -> None:
    with pytest.raises(UnreadableError, match="can't be unpacked"):
        unpacked(b"\x1f\x8bnothing", 100)
