import pytest

from talkdesk_operator.templates.cel_lexer import TokenKind, chains, closing_brace, macros, tokenize, with_null_absent


@pytest.mark.parametrize(
    "literal",
    [
        "'a'",
        '"}"',
        r"'\''",
        '""""quoted" }"""',
        "'''it's\n}'''",
        r"r'\'",
        'R"\\"',
        "b'}'",
        "br'}'",
        'r"""\\"""',
        "r'''\n}'''",
    ],
)
def test_a_string_literal_is_one_token(literal: str) -> None:
    assert [(token.kind, token.text) for token in tokenize(f"{literal} ")] == [(TokenKind.STRING, literal)]


def test_blanks_and_comments_are_not_tokens() -> None:
    assert [token.text for token in tokenize("a // b }\n + 0x1Fu")] == ["a", "+", "0x1Fu"]


def test_a_name_that_ends_in_a_string_prefix_is_a_name() -> None:
    assert [token.text for token in tokenize("xb'a'")] == ["xb", "'a'"]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (" a }", " a "),
        ("{'a': {'b': 1}}.a } tail }", "{'a': {'b': 1}}.a "),
        ("'}' + \"}\" }", "'}' + \"}\" "),
        ("a // }\n}", "a // }\n"),
    ],
)
def test_the_closing_brace_is_the_one_outside_literals(text: str, source: str) -> None:
    end = closing_brace(text, 0, 100)

    assert end is not None
    assert text[:end] == source


@pytest.mark.parametrize("text", ["", "a", "'}", "{ }", "a // }"])
def test_an_unclosed_brace_has_no_closing_brace(text: str) -> None:
    assert closing_brace(text, 0, 100) == (1 if text == "'}" else None)


def test_the_closing_brace_is_only_looked_for_within_the_limit() -> None:
    assert closing_brace("aaaa}", 0, 4) == 4
    assert closing_brace("aaaaa}", 0, 4) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b.c", [("a", "b", "c")]),
        ("a['b'].c", [("a", "b", "c")]),
        ('a["x.y/z"]', [("a", "x.y/z")]),
        ("a.b.size()", [("a", "b")]),
        ("a.b[0].c", [("a", "b")]),
        (r"a['\x62']", [("a",)]),
        ("a[b'b']", [("a",)]),
        ("a[b.c]", [("a",), ("b", "c")]),
        ("(a).b + c", [("a",), ("c",)]),
        ("1 + 'a.b'", []),
    ],
)
def test_chains_of_keys_are_read_from_the_tokens(source: str, expected: list[tuple[str, ...]]) -> None:
    assert list(chains(tuple(tokenize(source)))) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.b.map(x, x)", [("map", "x", ("a", "b"))]),
        ("1 in a.filter(x, true)", [("filter", "x", ("a",))]),
        ("a.b().map(x, x)", [("map", "x", ())]),
        ("[1].all(x, x.exists(y, y))", [("all", "x", ()), ("exists", "y", ("x",))]),
        ("f(x).c.map(x, x)", [("map", "x", ())]),
        ("a.map", []),
        ("map(x, y)", []),
        ("a.map(1, y)", []),
    ],
)
def test_macros_are_read_from_the_tokens(source: str, expected: list[object]) -> None:
    assert [macro[:3] for macro in macros(tuple(tokenize(source)))] == expected


def test_a_macro_knows_the_tokens_of_its_arguments() -> None:
    tokens = tuple(tokenize("a.map(x, (x)) + b"))

    (macro,) = macros(tokens)

    assert tokens[macro.start].text == "map"
    assert "".join(tokens[index].text for index in macro.arguments) == "x,(x)"


def test_the_arguments_of_a_macro_that_is_not_closed_run_to_the_end() -> None:
    (macro,) = macros(tuple(tokenize("a.map(x, (x)")))

    assert macro.arguments == range(4, 9)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("has(a.b) ? a.b : 1", "(has(a.b) && a.b != null) ? a.b : 1"),
        ("has(a.b) || has(c.d)", "(has(a.b) && a.b != null) || (has(c.d) && c.d != null)"),
        ("a.has(b)", "a.has(b)"),
        ("has('a')", "has('a')"),
        ("has(a.b", "has(a.b"),  # no expression; the compiler says so
    ],
)
def test_a_field_that_is_null_is_not_there(text: str, meant: str) -> None:
    assert with_null_absent(text, list(tokenize(text))) == meant
