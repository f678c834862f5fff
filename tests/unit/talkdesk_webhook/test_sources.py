import pytest

from talkdesk_runtime.networks import parse_networks
from talkdesk_webhook.sources import Refusal, Sources


def allowed(text: str, peer: str) -> bool:
    return Sources(parse_networks(text), most=10).refusal(peer) is None


@pytest.mark.parametrize(
    ("networks", "peer", "expected"),
    [
        ("", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.2.1", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24, 10.0.0.7", "10.0.0.7", True),
        ("192.0.2.0/24, 10.0.0.7", "10.0.0.8", False),
        ("192.0.2.0/24", "::ffff:192.0.2.1", True),
        ("192.0.2.0/24", "::ffff:192.0.3.1", False),
        ("::ffff:192.0.2.0/120", "192.0.2.1", True),
        ("::ffff:192.0.2.0/120", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.0/120", "192.0.3.1", False),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("::/0", "192.0.2.1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("fe80::/10", "fe80::1%eth0", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("192.0.2.0/24", "", False),
    ],
)
def test_only_addresses_of_the_allowed_networks_may_connect(networks: str, peer: str, *, expected: bool) -> None:
    assert allowed(networks, peer) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        ("example.com", "'example.com' is not a network"),
        ("10.0.0.0/8; 10.1.0.0/16", "is not a network"),
        ("10.0.0.1/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
    ],
)
def test_what_is_no_network_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_networks(text)


def test_connections_are_counted_for_each_address_and_in_all() -> None:
    sources = Sources(most=3, most_of_one=2)
    for peer in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert sources.refusal(peer) is None
        sources.add(peer)
    assert sources.refusal("192.0.2.1") is Refusal.SOURCE_LIMIT
    assert sources.refusal("192.0.2.2") is None
    sources.add("192.0.2.2")
    assert sources.refusal("192.0.2.3") is Refusal.LIMIT
    sources.remove("192.0.2.1")
    assert sources.refusal("192.0.2.1") is None
    sources.remove("192.0.2.1")
    sources.remove("192.0.2.2")
    assert sources.total == 0


def test_all_addresses_of_one_holder_of_ipv6_count_as_one() -> None:
    sources = Sources(most=10, most_of_one=1)
    sources.add("2001:db8:0:1::1")
    assert sources.refusal("2001:db8:0:1:ffff::2") is Refusal.SOURCE_LIMIT
    assert sources.refusal("2001:db8:0:2::1") is None


def test_without_a_limit_one_address_may_have_all_connections() -> None:
    sources = Sources(most=3)
    for _ in range(3):
        assert sources.refusal("192.0.2.1") is None
        sources.add("192.0.2.1")
    assert sources.refusal("192.0.2.1") is Refusal.LIMIT
