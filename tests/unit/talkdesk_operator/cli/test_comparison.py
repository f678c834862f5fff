"""What a difference shows, and what it never shows."""

import io
import sys
from typing import Any

import pytest
from typing_extensions import override

from talkdesk_operator.cli import diff
from talkdesk_operator.cli.comparison import colored, difference, settled


def of(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **fields}


def test_what_the_api_server_and_controllers_say_is_no_difference() -> None:
    live = of("ConfigMap", status={"a": 1})
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 3, "managedFields": [{}]}
    assert difference("x", live, of("ConfigMap")) == ""


def test_a_change_is_shown_and_an_object_that_is_not_there_as_a_whole() -> None:
    text = difference("ConfigMap a", of("ConfigMap", data={"k": "1"}), of("ConfigMap", data={"k": "2"}))
    assert text.startswith("--- live/ConfigMap a\n+++ wanted/ConfigMap a\n")
    assert "-  k: '1'\n" in text
    assert "+  k: '2'\n" in text
    new = difference("x", None, of("ConfigMap"))
    assert all(line[0] in "+-@" for line in new.splitlines())


@pytest.mark.case(61)
def test_values_of_a_secret_are_never_shown_only_that_they_change() -> None:
    live = of("Secret", data={"same": "c2FtZQ==", "old": "b2xk", "changed": "Zmlyc3Q="}, stringData={"t": "text"})
    copy = {"kubectl.kubernetes.io/last-applied-configuration": "Zmlyc3Q="}
    live["metadata"] |= {"annotations": copy}
    text = difference("Secret a", live, of("Secret", data={"same": "c2FtZQ==", "changed": "c2Vjb25k", "new": "bmV3"}))
    for value in ("c2FtZQ==", "b2xk", "Zmlyc3Q=", "c2Vjb25k", "bmV3", "text"):
        assert value not in text
    assert "-  changed: '*** (before)'" in text
    assert "+  changed: '*** (after)'" in text
    assert "+  new: '***'" in text
    assert "same" not in [line.strip("+- ").partition(":")[0] for line in text.splitlines() if line[0] in "+-"]


@pytest.mark.parametrize(
    ("wanted", "otherwise", "live", "expected"),
    [
        ("a", "a", "b", "a"),
        ("one", "two", "real", "real"),
        ("one", "two", None, "one"),
        ({"k": "one", "x": "a"}, {"k": "two", "x": "a"}, {"k": "real", "x": "b"}, {"k": "real", "x": "a"}),
        ({"k": "one"}, {"k": "two"}, None, {"k": "one"}),
        (["a", "one"], ["a", "two"], ["b", "real"], ["a", "real"]),
        (["a", "one"], ["a", "two"], ["real"], ["a", "one"]),
        ({"one": 1}, {"two": 1}, {"one": 7}, {"one": 7}),
    ],
)
def test_what_comes_of_made_up_credentials_is_taken_for_what_is_there(
    wanted: Any, otherwise: Any, live: Any, expected: Any
) -> None:
    assert settled(wanted, otherwise, live) == expected


def test_lines_have_colors_and_comments_have_none() -> None:
    assert colored("# x\n--- a\n+b\n@@ @@\n c\n") == (
        "# x\n\033[31m--- a\033[0m\n\033[32m+b\033[0m\n\033[36m@@ @@\033[0m\n c\n"
    )


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colors_are_for_terminals_whose_user_wants_them(
    environment: dict[str, str], expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert diff._in_color() is expected
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert diff._in_color() is False
