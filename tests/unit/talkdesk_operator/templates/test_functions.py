import pytest

from talkdesk_operator.templates.functions import FUNCTIONS, NAMESPACES


def test_namespaces_are_those_of_the_functions() -> None:
    assert {"math", "base64"} == NAMESPACES


def test_dns_labels_keep_different_values_apart() -> None:
    label = FUNCTIONS["dnsLabel"]

    assert label("acme") == "acme"
    assert label("Acme") != label("acme")
    assert label("a_b") != label("a-b")
    assert len(label("x" * 300)) <= 63
    assert label("\u65e5\u672c") == label("\u65e5\u672c")


def test_a_text_within_the_limit_is_made() -> None:
    assert len(FUNCTIONS["replace"]("a" * 10, "a", "b" * 6_000)) == 60_000
    assert FUNCTIONS["join"](["a", "b"], "") == "ab"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("replace", ("a" * 10, "a", "b" * 7_000)),
        ("replace", ("a" * 10, "a", "b" * 20_000, 5)),
        ("join", (["a" * 40_000, "b" * 40_000],)),
        ("split", ("," * 500, ",")),
        ("flatten", ([[1] * 300, [2] * 300],)),
        ("keys", ("text",)),
        ("string", (1,)),
        ("dnsLabel", ()),
    ],
)
def test_unsuitable_arguments_and_huge_results_get_one_fixed_message(name: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"^unsuitable arguments$"):
        FUNCTIONS[name](*arguments)
