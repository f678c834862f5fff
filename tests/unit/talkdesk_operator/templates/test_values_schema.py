"""Values are judged by the app's schema in words, by a process that a pattern can't hold up for long."""

from typing import Any

import pytest

from talkdesk_operator.templates.evaluator import EVALUATOR
from talkdesk_operator.templates.values_schema import ValuesError, check_values

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/values",
    "type": "object",
    "required": ["size"],
    "additionalProperties": False,
    "properties": {
        "size": {"enum": ["small", "large"]},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 9},
        "host": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
        "zones": {"type": "array", "items": {"$ref": "#/$defs/zone"}, "uniqueItems": True},
        "tier": {"oneOf": [{"const": "gold"}, {"type": "integer"}]},
    },
    "$defs": {"zone": {"type": "string"}},
}


def said(values: dict[str, Any], schema: dict[str, Any] | None = None, *, partial: bool = False) -> str:
    try:
        check_values(SCHEMA if schema is None else schema, values, partial=partial)
    except ValuesError as error:
        return str(error)
    return ""


def test_it_proves_nothing_against_a_customer() -> None:
    with pytest.raises(ValuesError) as caught:
        check_values(SCHEMA, {})
    assert caught.value.exhausted


def test_values_that_fit_are_fine_and_so_are_any_without_a_schema() -> None:
    assert said({"size": "small", "replicas": 2, "host": "acme", "zones": ["a", "b"], "tier": 3}) == ""
    check_values(None, {"anything": 1})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "tenant.values: without size"),
        ({"size": "huge"}, 'tenant.values.size: must be one of "small", "large"'),
        ({"size": "small", "replicas": "2"}, "tenant.values.replicas: must be integer, not string"),
        ({"size": "small", "replicas": None}, "tenant.values.replicas: must be integer, not null"),
        ({"size": "small", "replicas": 0}, "tenant.values.replicas: must be at least 1"),
        ({"size": "small", "replicas": 10}, "tenant.values.replicas: must be at most 9"),
        ({"size": "small", "host": "A"}, "tenant.values.host: must match ^[a-z]+$"),
        ({"size": "small", "host": "abcdefghi"}, "tenant.values.host: must have at most 8 characters"),
        ({"size": "small", "zones": ["a", 1]}, "tenant.values.zones[1]: must be string, not integer"),
        ({"size": "small", "zones": ["a", "a"]}, "tenant.values.zones: must not hold an element twice"),
        ({"size": "small", "replica": 1}, "tenant.values: no such member: replica, did you mean replicas? (there are"),
        ({"size": "small", "tier": "silver"}, "tenant.values.tier: fits none, or more than one, of oneOf; the nearest"),
        ({"size": "small", "zones": 1, "host": 2}, "must be string, not integer; tenant.values.zones: must be array"),
    ],
)
def test_what_does_not_fit_is_said_with_its_path_and_what_is_expected(values: dict[str, Any], expected: str) -> None:
    assert expected in said(values)


def test_a_message_is_bounded() -> None:
    schema = {"additionalProperties": {"enum": ["x" * 1000]}}
    message = said({f"key-{number}": "value" for number in range(100)}, schema)
    assert "; and 95 more" in message
    assert len(message) < 2048


def test_defaults_may_be_incomplete_but_not_wrong() -> None:
    assert said({}, partial=True) == ""
    assert "replicas" in said({"replicas": "2"}, partial=True)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "strin"}, "tenant.valuesSchema.type: "),
        ({"properties": {"a": {"minimum": "1"}}}, "valuesSchema.properties.a.minimum: must be number, not string"),
        ({"pattern": "("}, "tenant.valuesSchema.pattern: is not a valid regex"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, '$schema"]: must be https://'),
        ({"properties": {"a": {"$ref": "https://example.com/a"}}}, "leads out of the schema, and nothing is fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "leads out of the schema, and nothing is fetched"),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, "#/$defs/none leads nowhere"),
        ({"properties": {"a": {"$id": "b"}}}, "only the whole schema may have an $id"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_a_schema_that_is_no_good_is_said_and_nothing_is_fetched(
    schema: dict[str, Any], expected: str, *, partial: bool
) -> None:
    assert expected in said({"a": "text"}, schema, partial=partial)
    assert said({"a": "text"}, schema, partial=partial).startswith("tenant.valuesSchema")


def test_a_reference_in_data_is_none() -> None:
    assert said({"a": {"$ref": "x"}}, {"properties": {"a": {"const": {"$ref": "x"}}}}) == ""


@pytest.mark.case(76)
def test_a_pattern_that_takes_for_ever_ends_with_the_process_and_is_not_tried_again() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    values = {"a": "a" * 64 + "!"}
    assert "takes more than" in said(values, schema)
    pid = EVALUATOR.pid
    assert "takes more than" in said(values, schema)
    assert EVALUATOR.pid == pid
    assert said({"a": "aaa"}, schema) == ""


def test_the_same_question_is_answered_from_memory() -> None:
    assert said({"size": "small"}) == ""
    EVALUATOR.close()
    assert said({"size": "small"}) == ""
    assert EVALUATOR.pid is None
