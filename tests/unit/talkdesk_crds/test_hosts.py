"""Which URLs an app may call, and which spellings are refused."""

from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_crds.hosts import ForeignHostError, HostAllowList, Region, api_url

US = HostAllowList.for_region(Region.US)
SIMULATOR = HostAllowList.for_endpoints(
    "http://127.0.0.1:8081", "http://127.0.0.1:8082/{account}/oauth/token", allow_insecure=True
)


@pytest.mark.parametrize("region", Region)
def test_a_region_allows_its_own_gateway(region: Region) -> None:
    allowed = HostAllowList.for_region(region)
    assert allowed.api_url == api_url(region)
    allowed.check_api(f"{api_url(region)}/apps/a/installations/i?x=1")


@pytest.mark.parametrize("region", [region for region in Region if region is not Region.UK])
def test_a_region_allows_the_token_host_of_any_account(region: Region) -> None:
    allowed = HostAllowList.for_region(region)
    allowed.check_token(allowed.token_url("acme"))
    allowed.check_token(allowed.token_url("A-1").upper().replace("HTTPS", "https"))


@pytest.mark.case(28)
@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize("other", Region)
def test_no_region_allows_hosts_of_another(region: Region, other: Region) -> None:
    if region is other:
        return
    allowed = HostAllowList.for_region(region)
    with pytest.raises(ForeignHostError, match="not among this app's API gateways"):
        allowed.check_api(api_url(other))
    if other is not Region.UK:
        with pytest.raises(ForeignHostError, match="not among this app's token hosts"):
            allowed.check_token(HostAllowList.for_region(other).token_url("acme"))


def test_both_australian_gateways_are_allowed() -> None:
    allowed = HostAllowList.for_region(Region.AU)
    allowed.check_api("https://api.mytalkdesk.au")
    allowed.check_api("https://api.talkdeskapp.au")


def test_no_identity_domain_is_guessed_for_a_region_without_a_known_one() -> None:
    allowed = HostAllowList.for_region(Region.UK)
    with pytest.raises(ForeignHostError, match="set the app's endpoints"):
        allowed.token_url("acme")
    with pytest.raises(ForeignHostError, match="none known for its region"):
        allowed.check_token("https://acme.talkdeskid.co.uk/oauth/token")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.talkdeskapp.com",
        "ftp://api.talkdeskapp.com",
        "//api.talkdeskapp.com",
        "api.talkdeskapp.com",
        "",
        "https://",
        "https://:443",
        "https://api.talkdeskapp.com:8443",
        "https://api.talkdeskapp.com:0",
        "https://api.talkdeskapp.com:",
        "https://api.talkdeskapp.com:https",
        "https://api.talkdeskapp.com:99999",
        "https://api.talkdeskapp.com.",
        "https://api.talkdeskapp.com.evil.example",
        "https://evil.example/api.talkdeskapp.com",
        "https://evil.example#@api.talkdeskapp.com",
        "https://evil.example?@api.talkdeskapp.com",
        "https://evil.example\\@api.talkdeskapp.com",
        "https://user:pass@api.talkdeskapp.com",
        "https://@api.talkdeskapp.com",
        "https://api.talkdeskapp.com@evil.example",
        "https://x.api.talkdeskapp.com",
        "https://apiatalkdeskapp.com",
        "https://api.t\u0430lkdeskapp.com",
        "https://\uff41pi.talkdeskapp.com",
        "https://api%2etalkdeskapp.com",
        "https://api.talkdeskapp.com\r\n.evil.example",
        " https://api.talkdeskapp.com",
        "https://[::1",
        "https://[::1]",
        "https://[fe80::1%25eth0]",
        "https://127.0.0.1",
        f"https://api.talkdeskapp.com/{'a' * 2048}",
        f"https://{'a.' * 130}talkdeskapp.com",
    ],
)
@pytest.mark.case(14, 28, 67)
def test_every_other_spelling_of_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(ForeignHostError):
        US.check_api(url)


@pytest.mark.parametrize(
    "host",
    [
        "talkdeskid.com",
        "a.b.talkdeskid.com",
        "-.talkdeskid.com",
        ".talkdeskid.com",
        "atalkdeskid.com",
        "{account}.talkdeskid.com",
    ],
)
def test_a_token_host_is_one_label_under_the_identity_domain(host: str) -> None:
    with pytest.raises(ForeignHostError):
        US.check_token(f"https://{host}/oauth/token")


@pytest.mark.case(57)
@pytest.mark.parametrize("name", ["", "a.b", "a/b", "\u00e9", "a@b", "-a", "a" * 64, "a\n", "${x}"])
def test_an_account_name_that_is_no_label_makes_no_host(name: str) -> None:
    with pytest.raises(ForeignHostError, match="can't be part of a host name"):
        US.token_url(name)


def test_explicit_endpoints_allow_exactly_their_hosts() -> None:
    SIMULATOR.check_api("http://127.0.0.1:8081/apps")
    SIMULATOR.check_token(SIMULATOR.token_url("acme"))
    assert SIMULATOR.token_url("acme") == "http://127.0.0.1:8082/acme/oauth/token"
    for url in ("http://127.0.0.1:8082", "https://127.0.0.1:8081", "http://localhost:8081", api_url(Region.US)):
        with pytest.raises(ForeignHostError):
            SIMULATOR.check_api(url)


def test_explicit_endpoints_can_be_ipv6_and_have_an_account_label() -> None:
    allowed = HostAllowList.for_endpoints(
        "https://[2001:DB8::1]:8443/", "https://{account}.id.example/t", allow_insecure=False
    )
    assert allowed.api_url == "https://[2001:DB8::1]:8443"
    allowed.check_api("https://[2001:db8::1]:8443/account")
    allowed.check_token(allowed.token_url("acme"))
    with pytest.raises(ForeignHostError, match=r"https://\[2001:db8::1\]:8443"):
        allowed.check_api("https://[2001:db8::2]:8443/account")
    with pytest.raises(ForeignHostError):
        allowed.check_token("https://id.example/t")


@pytest.mark.parametrize(
    ("api", "token"),
    [
        ("http://a.example", "https://b.example"),
        ("https://a.example", "http://{account}.b.example"),
        ("https://{account}.a.example", "https://b.example"),
        ("https://a.example", "https://b.{account}.example"),
    ],
)
def test_endpoints_are_https_and_well_formed_unless_insecure_ones_are_allowed(api: str, token: str) -> None:
    with pytest.raises(ForeignHostError):
        HostAllowList.for_endpoints(api, token, allow_insecure=False)


def test_allowing_insecure_endpoints_does_not_downgrade_https_ones() -> None:
    allowed = HostAllowList.for_endpoints("https://a.example", "https://b.example/t", allow_insecure=True)
    with pytest.raises(ForeignHostError):
        allowed.check_api("http://a.example")


@given(
    st.lists(
        st.sampled_from(
            [
                "https://",
                "api.talkdeskapp.com",
                "evil.example",
                "@",
                ":",
                "443",
                "/",
                "\\",
                "?",
                "#",
                "[",
                "]",
                "%2f",
                ".",
                ";",
            ]
        ),
        max_size=8,
    ).map("".join)
)
def test_what_passes_leads_there_for_every_parser(url: str) -> None:
    try:
        US.check_api(url)
    except ForeignHostError:
        return
    hosts = {urlsplit(url).hostname, httpx.URL(url).host, yarl.URL(url).host}
    assert hosts == {"api.talkdeskapp.com"}


@given(st.text())
def test_any_text_is_judged_and_quoted_in_bounds(url: str) -> None:
    for text in (url, f"https://{url}", f"https://api.talkdeskapp.com{url}"):
        try:
            US.check_api(text)
        except ForeignHostError as error:
            assert len(str(error)) < 600  # noqa: PT017 - most texts pass no check, a few do
