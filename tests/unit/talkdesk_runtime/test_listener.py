import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from typing_extensions import override

from talkdesk_runtime.listener import listener_at


@asynccontextmanager
async def echoing(listener: socket.socket) -> AsyncIterator[int]:
    """Tell each client the address that it comes from; yield the port."""

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(writer.get_extra_info("peername")[0]).encode())
        writer.close()

    async with await asyncio.start_server(tell, sock=listener):
        yield listener.getsockname()[1]


async def ask(host: str, port: int) -> str:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            return (await reader.read()).decode()
        finally:
            writer.close()


def without_ipv6(number: int, *, at_bind: bool) -> type[socket.socket]:
    """Return sockets as a machine makes them that has no IPv6: none of the family, or no address of it."""

    class Socket(socket.socket):
        def __init__(self, family: socket.AddressFamily) -> None:
            if family == socket.AF_INET6 and not at_bind:
                raise OSError(number, "not on this machine")
            super().__init__(family)

        @override
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
            if self.family == socket.AF_INET6:
                raise OSError(number, "not on this machine")
            super().bind(address)

    return Socket


async def test_everywhere_is_ipv6_and_ipv4_by_one_socket() -> None:
    async with echoing(listener_at("::", 0)) as port:
        assert await ask("::1", port) == "::1"
        assert await ask("127.0.0.1", port) == "::ffff:127.0.0.1"


@pytest.mark.parametrize(
    ("number", "at_bind"), [(errno.EAFNOSUPPORT, False), (errno.EADDRNOTAVAIL, True)], ids=["none", "switched off"]
)
async def test_without_ipv6_everywhere_is_ipv4(number: int, *, at_bind: bool) -> None:
    async with echoing(listener_at("::", 0, make=without_ipv6(number, at_bind=at_bind))) as port:
        assert await ask("127.0.0.1", port) == "127.0.0.1"


@pytest.mark.parametrize(("host", "peer"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("localhost", "127.0.0.1")])
async def test_one_address_is_that_alone(host: str, peer: str) -> None:
    async with echoing(listener_at(host, 0)) as port:
        assert await ask(peer, port) == peer
        with pytest.raises(ConnectionRefusedError):
            await ask("::1" if peer == "127.0.0.1" else "127.0.0.1", port)


def test_a_port_that_is_taken_is_no_reason_to_listen_on_half_of_the_addresses() -> None:
    with listener_at("::", 0) as first:
        first.listen()
        with pytest.raises(OSError, match="in use"):
            listener_at("::", first.getsockname()[1])
