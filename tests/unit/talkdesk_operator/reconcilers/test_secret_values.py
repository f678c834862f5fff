"""What must not be seen outside of a Secret."""

from typing import Any

import pytest

from talkdesk_operator.reconcilers.secret_values import secret_values


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"stringData": {"k": "canary"}}, {"canary", "Y2FuYXJ5"}),
        ({"data": {"k": "Y2FuYXJ5"}}, {"canary", "Y2FuYXJ5"}),
        ({"data": {"k": "not base64"}}, {"not base64"}),
        ({"data": {"k": "/////w=="}}, {"/////w=="}),
        ({"data": {"k": ["canary"]}, "stringData": {"l": {"m": 31337}}}, {"canary", "31337"}),
    ],
)
def test_values_are_found_in_every_form(fields: dict[str, Any], found: set[str]) -> None:
    assert found <= secret_values({"kind": "Secret", **fields})


@pytest.mark.parametrize("fields", [{}, {"data": None}, {"stringData": {"a": "x", "b": True, "c": None}}])
def test_what_is_no_secret_is_left_out(fields: dict[str, Any]) -> None:
    assert "x" not in secret_values({"kind": "Secret", **fields})


def test_other_kinds_have_no_secrets() -> None:
    assert not secret_values({"kind": "ConfigMap", "data": {"k": "canary"}})
