import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.line_splitter import Lines, LineTooLong


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=200)))
def test_the_lines_do_not_depend_on_the_pieces(content: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    lines = Lines(1000)
    got = [line for a, b in itertools.pairwise(bounds) for line in lines.feed(content[a:b])]
    *whole, rest = content.split(b"\n")
    assert got == [line for line in whole if line]
    assert lines.unfinished == bool(rest)


def test_a_line_as_long_as_the_bound_is_accepted_and_a_longer_one_is_not() -> None:
    assert Lines(4).feed(b"1234\n56") == [b"1234"]
    for piece in (b"12345\n", b"12345", b"1\n12345"):
        with pytest.raises(LineTooLong):
            Lines(4).feed(piece)
