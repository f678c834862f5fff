from typing import Any

import pytest

from talkdesk_operator.templates.address import compile_address, render_address
from talkdesk_operator.templates.errors import RenderError, TemplateError

CONTEXT: dict[str, Any] = {
    "account": {"name": "acme", "id": "a1", "companyName": None},
    "tenant": {"name": "td-acme", "values": {"scim": "https://scim.example.com/v2", "number": 7, "list": []}},
}


def rendered(source: str, *, insecure: bool = False, **account: Any) -> str:
    context = CONTEXT | {"account": CONTEXT["account"] | account}
    return render_address(compile_address(source, "url"), "url", context, insecure=insecure)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://example.com/scim/v2/", "https://example.com/scim/v2"),
        ("https://example.com:8443/${tenant.name}/scim", "https://example.com:8443/td-acme/scim"),
        ("https://${account.name}.example.com", "https://acme.example.com"),
        ("${tenant.values.scim}/users", "https://scim.example.com/v2/users"),
        ("https://example.com/${tenant.values.number}", "https://example.com/7"),
        ("https://[::1]:8080/scim", "https://[::1]:8080/scim"),
    ],
)
def test_a_url_is_rendered(source: str, url: str) -> None:
    assert rendered(source) == url


@pytest.mark.case(57)
@pytest.mark.parametrize("name", ["evil.example/#", "x@evil.example", "a/../..", "a?b=c", "\N{PILE OF POO}", "${x}"])
def test_a_customers_text_is_percent_encoded(name: str) -> None:
    url = rendered("https://example.com/${account.name}/scim", name=name)
    assert url.startswith("https://example.com/")
    assert url.count("/") == 4
    assert url.endswith("/scim")


@pytest.mark.parametrize("name", ["evil.example/", "x@evil.example", "a:80", "", "a b"])
def test_a_customers_text_cannot_change_the_host(name: str) -> None:
    with pytest.raises(RenderError, match="host"):
        rendered("https://${account.name}.example.com/", name=name)


@pytest.mark.parametrize("name", [".", "..", ""])
def test_a_customers_text_cannot_change_the_path(name: str) -> None:
    with pytest.raises(RenderError, match="a segment of the URL's path"):
        rendered("https://example.com/${account.name}/scim", name=name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://example.com", "https://; http:// needs allowInsecure, and --allow-insecure"),
        ("ftp://example.com", "https://"),
        ("example.com", "https://"),
        ("https://user:canary@example.com", "a user name or a password"),
        ("https://example.com/?a=b", "a query"),
        ("https://example.com/#a", "a query or a fragment"),
        ("https://example.com:port/", "host or port"),
        ("https://[::1/", "host or port"),
        ("https:///scim", "host"),
        ("https://exa mple.com", "printable"),
        ("https://ex\N{LATIN SMALL LETTER U WITH DIAERESIS}mple.com", "printable"),
        ("https://example.com//scim", "path"),
        ("https://example.com/" + "a" * 2048, "longer than"),
        ("https://example.com/${tenant.values.list}", "tenant.values.list is not text"),
        ("https://example.com/${account.companyName}", "is not text"),
        ("https://example.com/${true}", "is not text"),
        ("https://example.com/${account.nickname}", "no such key: account.nickname"),
        ("https://example.com/${credentials.clientSecret}", "no such variable: credentials"),
    ],
)
def test_an_invalid_url_is_reported_without_quoting_it(source: str, words: str) -> None:
    with pytest.raises(RenderError, match=words) as caught:
        rendered(source)
    assert "canary" not in str(caught.value)


def test_plain_http_needs_allow_insecure() -> None:
    assert rendered("http://127.0.0.1:8080/scim", insecure=True) == "http://127.0.0.1:8080/scim"
    with pytest.raises(RenderError, match="begin with https"):
        rendered("ftp://example.com", insecure=True)


def test_a_value_that_is_not_json_is_an_error_of_the_url() -> None:
    with pytest.raises(RenderError, match="account contains something"):
        render_address(compile_address("https://x/${account}", "url"), "url", {"account": object()}, insecure=False)


def test_bad_syntax_is_found_when_the_url_is_compiled() -> None:
    with pytest.raises(TemplateError, match="url: "):
        compile_address("https://example.com/${account.}", "url")
