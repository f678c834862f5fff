"""SCIM services for an operator that may never use one: the client is imported and created with the first order.

Its library takes 6 MB and a third of a second, which an operator whose apps provision no users can save.
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
    """Delegates everything to the client."""

    def __init__(self, make: Callable[[ModuleType], ScimService]) -> None:
        """Take the function that creates the client from the adapter's package."""
        self._make = make
        self._client: ScimService | None = None

    @override
    async def execute(
        self, service: Service, orders: Sequence[Order], *, within: timedelta
    ) -> tuple[tuple[Result, ...], ScimError | None]:
        client = self._client
        if client is None:
            client = self._create(await asyncio.to_thread(import_module, _ADAPTER))
        return await client.execute(service, orders, within=within)

    def _create(self, adapter: ModuleType) -> ScimService:
        """Return the client; of several callers that waited for the import, the first creates it."""
        if self._client is None:
            self._client = self._make(adapter)
        return self._client

    @override
    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
