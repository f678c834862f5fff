"""Which proxy leads to which URL."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_runtime.proxy import Proxies, Proxy, ProxyUnusable

VIA = {"http": "http://proxy:3128", "https": "http://proxy:3129"}


def is_direct(url: str, no_proxy: str) -> bool:
    return Proxies(VIA | {"no": no_proxy}).for_url(url) is None


def test_the_scheme_of_the_url_decides() -> None:
    proxies = Proxies(VIA)
    assert proxies.for_url("http://a.example") == Proxy("http://proxy:3128")
    assert proxies.for_url("https://a.example") == Proxy("http://proxy:3129")
    assert proxies.for_url("ws://a.example") is None


def test_a_proxy_for_all_schemes_is_used_where_no_other_is_named() -> None:
    proxies = Proxies({"all": "http://all:1", "https": "http://own:1"})
    assert proxies.for_url("http://a.example") == Proxy("http://all:1")
    assert proxies.for_url("https://a.example") == Proxy("http://own:1")


def test_without_a_proxy_everything_is_direct() -> None:
    assert Proxies({}).for_url("https://a.example") is None
    assert Proxies({"no": "a.example"}).for_url("https://a.example") is None


def test_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,.svc")
    proxies = Proxies()
    assert proxies.for_url("https://api.talkdeskapp.com") == Proxy("http://proxy.example:3128")
    assert proxies.for_url("http://api.talkdeskapp.com") is None
    assert proxies.for_url("https://10.96.0.1:443") is None
    assert proxies.for_url("https://kubernetes.default.svc") is None


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("http://a.example", "*"),
        ("http://a.example", "b.example, *"),
        ("http://a.example", "a.example"),
        ("http://a.example", "A.Example"),
        ("http://A.example.", "a.example"),
        ("http://b.a.example", "a.example"),
        ("http://b.a.example", ".a.example"),
        ("http://a.example", ".a.example"),
        ("http://b.a.example", "*.a.example"),
        ("http://a.example", "b.example a.example"),
        ("http://a.example", "a.example:80"),
        ("https://a.example", "a.example:443"),
        ("http://a.example:8080", "a.example:8080"),
        ("http://127.0.0.1:9", "127.0.0.1"),
        ("http://127.0.0.1:9", "127.0.0.1:9"),
        ("http://10.1.2.3", "10.0.0.0/8"),
        ("http://10.1.2.3", "10.1.2.0/255.255.255.0"),
        ("http://[::1]:9", "::1"),
        ("http://[::1]:9", "[::1]"),
        ("http://[::1]:9", "[::1]:9"),
        ("http://[fd00::7]", "fd00::/8"),
        ("http://[0:0::1]", "::1"),
    ],
)
def test_hosts_domains_addresses_networks_and_ports_are_exempt(url: str, no_proxy: str) -> None:
    assert is_direct(url, no_proxy)


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("http://a.example", ""),
        ("http://a.example", " , "),
        ("http://a.example", "."),
        ("http://a.example", "*."),
        ("http://ba.example", "a.example"),
        ("http://a.example", "b.a.example"),
        ("http://a.example", "a.example:8080"),
        ("https://a.example", "a.example:80"),
        ("http://127.0.0.1", "0.0.1"),
        ("http://127.0.0.1", "27.0.0.1"),
        ("http://127.0.0.1", "1"),
        ("http://11.1.2.3", "10.0.0.0/8"),
        ("http://10.example", "10.0.0.0/8"),
        ("http://127.0.0.1:9", "127.0.0.1:8"),
        ("http://[::1]:9", "[::1]:8"),
        ("http://[::2]", "::1"),
    ],
)
def test_other_hosts_are_not_exempt(url: str, no_proxy: str) -> None:
    assert not is_direct(url, no_proxy)


@given(st.text(max_size=30), st.sampled_from(["http://a.example", "https://127.0.0.1:8", "http://[::1]"]))
def test_no_text_in_no_proxy_is_an_error(no_proxy: str, url: str) -> None:
    is_direct(url, no_proxy)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("proxy", "http://proxy"),
        ("proxy:3128", "http://proxy:3128"),
        ("http://proxy:3128/", "http://proxy:3128"),
        ("https://proxy", "https://proxy"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_a_proxy_may_be_named_with_or_without_a_scheme(url: str, expected: str) -> None:
    assert Proxy.parse(url) == Proxy(expected)


@pytest.mark.parametrize(
    "url",
    ["socks5://user:canary@proxy", "ftp://proxy", "http://", "http://user:canary@", "http://proxy:canary", "http://["],
)
def test_a_proxy_that_cant_be_used_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(ProxyUnusable) as failure:
        Proxies({"https": url})
    assert "canary" not in str(failure.value)


@pytest.mark.parametrize(
    ("user_info", "pair"),
    [("user:secret", "user:secret"), ("user", "user:"), ("us%40er:p%3Aw%2F", "us@er:p:w/"), (":secret", ":secret")],
)
def test_a_password_becomes_a_header_and_is_never_shown(user_info: str, pair: str) -> None:
    proxy = Proxy.parse(f"http://{user_info}@proxy:3128")
    assert proxy.url == "http://proxy:3128"
    assert proxy.headers == {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    assert "Basic" not in repr(proxy)


def test_without_a_tunnel_the_header_is_part_of_the_request() -> None:
    proxy = Proxy.parse("http://user:secret@proxy")
    assert proxy.headers_of_request("http://a.example") == proxy.headers
    assert proxy.headers_of_request("https://a.example") == {}
    assert Proxy.parse("proxy").headers == {}
