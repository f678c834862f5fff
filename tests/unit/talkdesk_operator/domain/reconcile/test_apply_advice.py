"""What to change in an object that does not fit its schema, in the API server's own words (version 1.36)."""

import pytest

from talkdesk_operator.domain.reconcile.apply_advice import advice

PATCH = "failed to create typed patch object (bad/x; apps/v1, Kind=Deployment): "
CONVERT = "failed to convert new object (bad/x; /v1, Kind=X) to proper version: unable to convert unstructured object: "
CONTAINERS = ".spec.template.spec.containers"


@pytest.mark.case(53)
@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            f"{PATCH}.data.port: expected string, got &value.valueUnstructured{{Value:8080}}",
            ".data.port must be a string",
        ),
        (f"{PATCH}.data.a.b/c: expected string, got 1", ".data.a.b/c must be a string"),
        (f"{PATCH}.spec.replicas: expected numeric (int or float), got string", ".spec.replicas must be a number"),
        (f"{PATCH}.spec.paused: expected boolean, got &{{yes}}", ".spec.paused must be true or false"),
        (f"{PATCH}.rules[0].verbs: expected list, got &{{get}}", ".rules[0].verbs must be a list"),
        (f"{PATCH}.data: expected map, got &{{[a]}}", ".data must be a map"),
        (f"{PATCH}expected map, got &{{[a]}}", "the object must be a map"),
        (f"{PATCH}.spec.foo: field not declared in schema", ".spec.foo is no field of this kind"),
        (
            f'{PATCH}{CONTAINERS}[name="c"].env: duplicate entries for key [name="A"]',
            f"{CONTAINERS}[].env has two entries for the same key",
        ),
        (
            f'{PATCH}{CONTAINERS}[name="c"].env: element 0: associative list with keys has an element that omits',
            f"{CONTAINERS}[].env has an entry without the field",
        ),
        (
            f"{PATCH}{CONTAINERS}: element 0: associative list with keys may not have a null element",
            f"{CONTAINERS} has an entry that is null",
        ),
        (f"{CONVERT}quantities must match the regular expression", "a quantity is a number with a unit"),
        (f"{CONVERT}error decoding from json: illegal base64 data at input byte 0", "data of a Secret and binaryData"),
        (f'{CONVERT}parsing time "yesterday" as', "a point in time looks like"),
        (f"{CONVERT}json: cannot unmarshal bool into Go value of type int32", "a value has a type"),
        (f"{CONVERT}cannot convert float64 to int32", "a value has a type"),
        (
            "failed to create typed live object (bad/x; test.dev/v1, Kind=Widget): .spec.size: expected string, got 1",
            "the object in the cluster does not fit",
        ),
        ("failed to create manager for existing fields: no", "the object in the cluster does not fit"),
    ],
)
def test_each_problem_has_words_on_what_to_write(message: str, told: str) -> None:
    assert advice(message).startswith(told)


def test_several_problems_are_named_in_one_order_and_at_most_three() -> None:
    problems = [f"  .data.{name}: expected string, got 1" for name in "dbca"]
    named = advice("\n".join((f"{PATCH}errors:", *problems)))
    assert [part.split()[0] for part in named.split("; ")] == [".data.a", ".data.b", ".data.c"]


@pytest.mark.parametrize("message", ["", "no", f"{PATCH}something else", f"{CONVERT}something else"])
def test_nothing_is_said_where_nothing_is_known(message: str) -> None:
    assert advice(message) == ""


@pytest.mark.case(61)
def test_no_value_is_repeated() -> None:
    keyed = f'{PATCH}.spec.items[id="canary"].v: expected string, got &{{canary}}'
    assert advice(keyed).startswith(".spec.items[].v must be a string")
    assert "canary" not in advice(keyed)
