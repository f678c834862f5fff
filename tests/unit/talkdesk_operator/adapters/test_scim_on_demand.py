"""The SCIM client is imported with the first order, made once, and closed if there is one."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType

from pydantic import SecretStr

from talkdesk_operator.adapters.scim_on_demand import ScimOnDemand
from talkdesk_operator.domain.ports.scim import NotStarted, Order, Result, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError

SERVICE = Service("https://scim.example.com", SecretStr("made-up"), timedelta(seconds=1), 1)


class Client:
    """Leaves every order."""

    def __init__(self) -> None:
        self.closed = False

    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        assert (service, within) == (SERVICE, timedelta(seconds=3))
        return tuple(NotStarted() for _ in orders), None

    async def aclose(self) -> None:
        self.closed = True


async def test_the_client_is_created_once_and_closed() -> None:
    made: list[Client] = []

    def make(adapter: ModuleType) -> Client:
        assert adapter.ScimClient
        made.append(Client())
        return made[-1]

    scim = ScimOnDemand(make)
    both = await asyncio.gather(*(scim.execute(SERVICE, (), within=timedelta(seconds=3)) for _ in range(2)))
    await scim.aclose()

    assert both == [((), None), ((), None)]
    assert [client.closed for client in made] == [True]


async def test_without_an_order_there_is_nothing_to_close() -> None:
    await ScimOnDemand(lambda _: Client()).aclose()


def test_an_operator_without_scim_does_not_import_the_adapter() -> None:
    lines = "import sys, talkdesk_operator.wiring; print('scim2_models' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
