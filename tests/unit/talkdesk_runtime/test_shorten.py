"""Messages that are too long for their place keep what they are about and what decides."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.kube_errors import KubeRefused
from talkdesk_runtime.shorten import shorten, shorten_bytes

LONG = "the user " + "0123456789" * 400 + " was refused by the service: userName must be an address"
SOURCES = [
    path
    for package in ("crds", "runtime", "operator", "webhook")
    for path in (Path(__file__).parents[3] / package).rglob("*.py")
]


@pytest.mark.parametrize("limit", [64, 256, 512, 1000, 1024, 2048])
@pytest.mark.parametrize("cut", [shorten, shorten_bytes])
def test_beginning_and_end_stay(cut: object, limit: int) -> None:
    assert callable(cut)
    short = cut(LONG, limit)
    assert len(short.encode()) <= limit + 2  # the sign of what is left out takes three bytes
    assert short.startswith("the user 0123456789")
    assert short.endswith("be an address")


@given(st.text(), st.integers(0, 40))
def test_the_result_fits_and_a_text_that_fits_stays_as_it_is(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit or text == shorten(text, limit)
    if len(text) <= limit:
        assert shorten(text, limit) == text


@given(st.text(st.characters(min_codepoint=0x20)), st.integers(16, 40))
def test_the_result_fits_in_bytes_and_no_character_is_cut(text: str, limit: int) -> None:
    short = shorten_bytes(text, limit)
    assert len(short.encode()) <= limit
    assert "\ufffd" not in short or "\ufffd" in text


def test_shortening_twice_is_shortening_once() -> None:
    assert shorten(shorten(LONG, 1000), 1000) == shorten(LONG, 1000)


def test_the_api_servers_last_words_are_in_an_error() -> None:
    assert str(KubeRefused(LONG)).endswith("be an address")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_message_is_cut_at_its_end(path: Path) -> None:
    assert re.findall(r"\[:_(?:MESSAGE|WHY|NOTE|MAX_QUOTE)\w*\]", path.read_text(encoding="utf-8")) == []
