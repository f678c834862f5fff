from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from talkdesk_sandbox.simulator.durations import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", timedelta(days=7)),
        ("+7d", timedelta(days=7)),
        ("-6d", timedelta(days=-6)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1w", timedelta(weeks=1)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        ("90", timedelta(seconds=90)),
        (" 5M ", timedelta(minutes=5)),
    ],
)
def test_a_duration_is_written_in_units_or_as_seconds(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "d", "7 days", "7x", "1h-30m", "seven"])
def test_text_that_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 7d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "7d", "1h30m", "5m", "-6d", "1d250ms"])
def test_a_formatted_duration_parses_to_the_same_value(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


def test_a_duration_field_accepts_units_iso_8601_and_seconds() -> None:
    field: TypeAdapter[timedelta] = TypeAdapter(Duration)
    assert {field.validate_python(value) for value in ("5m", "PT5M", 300)} == {timedelta(minutes=5)}
    assert field.dump_json(timedelta(minutes=5)) == b'"5m"'
