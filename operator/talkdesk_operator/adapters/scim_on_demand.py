"""SCIM services for an operator that may never meet one: the client is imported and made with the first order.

Its library takes 6 MB and a third of a second, which an operator whose apps bring users nowhere has no use for.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Final

from typing_extensions import override

from talkdesk_operator.domain.ports.scim import Order, Result, ScimService, Service
from talkdesk_operator.domain.ports.scim_errors import ScimError

__all__ = ["ScimOnDemand"]

_ADAPTER: Final = "talkdesk_operator.adapters.scim"


class ScimOnDemand(ScimService):
    """Passes everything on to the client."""

    def __init__(self, make: Callable[[ModuleType], ScimService]) -> None:
        """Take what makes the client of the adapter's package."""
        self._make = make
        self._client: ScimService | None = None

    @override
    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        client = self._client
        if client is None:
            client = self._begin(await asyncio.to_thread(import_module, _ADAPTER))
        return await client.execute(service, orders, within=within)

    def _begin(self, adapter: ModuleType) -> ScimService:
        """Make the client; of several who waited for the import, the first does."""
        if self._client is None:
            self._client = self._make(adapter)
        return self._client

    @override
    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
