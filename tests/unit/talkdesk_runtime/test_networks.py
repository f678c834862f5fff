"""Where nothing is sent: looked at for the address of each connection, whatever its name says."""

import httpx
import pytest

from scripted_talkdesk import reply, serve
from talkdesk_runtime.http_transport import RoutingTransport
from talkdesk_runtime.networks import LINK_LOCAL, DeniedAddress, is_in, parse_networks, source_of

LOOPBACK = parse_networks("127.0.0.0/8, ::1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_no_connection_is_made_to_a_denied_address_however_it_is_written(host: str) -> None:
    async with serve() as server:
        server.on("/", reply())
        port = server.url.rpartition(":")[2]
        transport = RoutingTransport(proxies={}, denied=LOOPBACK)
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises((httpx.HTTPError, OSError)):
                await client.get(f"http://{host}:{port}/")
        assert server.seen == []


async def test_the_cause_says_what_was_denied() -> None:
    transport = RoutingTransport(proxies={}, denied=LINK_LOCAL)
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx.HTTPError) as refused:
            await client.get("http://169.254.169.254/latest/meta-data/")
    cause = refused.value.__cause__
    assert isinstance(getattr(cause, "os_error", None), DeniedAddress)


async def test_other_addresses_are_called() -> None:
    async with serve() as server:
        server.on("/", reply())
        async with httpx.AsyncClient(transport=RoutingTransport(proxies={}, denied=LINK_LOCAL)) as client:
            assert (await client.get(f"{server.url}/")).status_code == 200


@pytest.mark.parametrize(
    ("address", "denied"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("64:ff9b::169.254.169.254", True),
        ("fd00:ec2::254", True),
        ("fd00:ec2::23", True),
        ("fd20:ce::254", True),
        ("fd00:ec3::254", False),
        ("64:ff9b::10.0.0.1", False),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
    ],
)
def test_by_default_link_local_addresses_are_denied(address: str, *, denied: bool) -> None:
    assert is_in(address, LINK_LOCAL) is denied


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0", "::1", "64:ff9b::127.0.0.1"])
def test_what_leads_to_loopback_is_loopback(address: str) -> None:
    assert is_in(address, LOOPBACK)
    assert not is_in(address, LINK_LOCAL)


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_one_source_is_an_address_of_ipv4_or_the_net_that_one_holder_has(peer: str, source: str) -> None:
    assert source_of(peer) == source
