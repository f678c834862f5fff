"""Durations, moments and the schema extensions that fields are made of."""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from talkdesk_crds.app import TemplateStep
from talkdesk_crds.fields import (
    MAX_DEPTH,
    Duration,
    FreeObject,
    PositiveDuration,
    immutable,
    listed_by,
    rules,
    to_wire_time,
)
from talkdesk_crds.tenant import OnOffboard
from talkdesk_runtime.durations import DURATION_PATTERN, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("0s", timedelta()),
        ("999999d999999h999999m999999s", timedelta(days=999999, hours=999999, minutes=999999, seconds=999999)),
    ],
)
def test_a_duration_adds_up_its_units(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span
    assert TypeAdapter(Duration).validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "d",
        "1m1h",
        "1.5h",
        "-1d",
        "7 d",
        "7d ",
        "7d\n",
        "1w",
        "1000000s",
        "\N{ARABIC-INDIC DIGIT SEVEN}d",
        "1D",
        "P7D",
        "1h1h",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="7d, 1h30m or 90s"):
        parse_duration(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


@given(st.text(max_size=12))
def test_reading_a_duration_fails_by_value_error_alone(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= timedelta()


def test_a_duration_that_must_last_is_not_zero() -> None:
    lasting = TypeAdapter(PositiveDuration)
    assert lasting.validate_python("1s") == "1s"
    with pytest.raises(ValidationError, match="longer than nothing"):
        lasting.validate_python("0d0s")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00Z"),
        (datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC), "2026-03-01T12:00:00.250000Z"),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-03-01T10:00:00Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2))), "0001-01-01T00:00:00+02:00"),
    ],
)
def test_a_moment_is_written_in_utc_where_utc_has_it(moment: datetime, text: str) -> None:
    assert to_wire_time(moment) == text
    assert datetime.fromisoformat(text) == moment


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_every_moment_can_be_written_and_read_back(moment: datetime) -> None:
    written = datetime.fromisoformat(to_wire_time(moment))
    assert abs(written - moment) < timedelta(minutes=1)  # offsets of old times have seconds, which UTC takes up


def test_the_wire_form_has_camel_case_and_nothing_absent() -> None:
    step = TemplateStep(name="base", manifests=({"kind": "X"},), on_offboard=OnOffboard.DELETE)
    assert step.wire() == {
        "name": "base",
        "manifests": [{"kind": "X"}],
        "onOffboard": "Delete",
        "conflictPolicy": "Fail",
    }


def test_a_model_refuses_fields_that_it_does_not_know_and_shows_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        TemplateStep.model_validate({"name": "base", "manifests": [{}], "secret": "canary"})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("level", [lambda inner: {"a": inner}, lambda inner: [inner]], ids=["maps", "lists"])
def test_a_free_object_is_as_deep_as_any_walk_through_it_can_bear(level: Callable[[Any], Any]) -> None:
    free = TypeAdapter(FreeObject)
    deep: Any = "leaf"
    for _ in range(MAX_DEPTH - 1):
        deep = level(deep)
    assert free.validate_python({"a": deep}) == {"a": deep}
    with pytest.raises(ValidationError, match="nested"):
        free.validate_python({"a": level(deep)})


def test_schema_extensions_are_what_the_api_server_calls_them() -> None:
    assert rules({"rule": "a"}) == {"x-kubernetes-validations": [{"rule": "a"}]}
    assert immutable("the id")["x-kubernetes-validations"][0]["rule"] == "self == oldSelf"
    assert "the id can't be changed" in immutable("the id")["x-kubernetes-validations"][0]["message"]
    assert listed_by("a", "b") == {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}


DURATIONS_PAGE = (Path(__file__).parents[3] / "docs" / "durations.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(r"^\| `([^`]+)` \| (\d+|refused) \|$", DURATIONS_PAGE, flags=re.MULTILINE)


def test_the_page_on_durations_has_the_grammar_and_examples_of_both_kinds() -> None:
    assert DURATION_PATTERN in DURATIONS_PAGE
    assert {"refused", "0"} < {result for _, result in DOCUMENTED}


@pytest.mark.parametrize(("text", "result"), DOCUMENTED)
def test_durations_are_what_their_page_says(text: str, result: str) -> None:
    if result == "refused":
        with pytest.raises(ValueError, match="written like"):
            parse_duration(text)
    else:
        assert parse_duration(text) == timedelta(seconds=int(result))
