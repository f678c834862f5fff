"""Looks at each answer and acknowledgement before it reaches Talkdesk: is it proven by then?"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import orjson
from aiohttp import web

from builders.partner_service import PartnerService
from builders.stack import Customer, Stack
from talkdesk_sandbox.simulator.state import InstallationState
from torture.track import Track

__all__ = ["Witness"]

_ANSWER: Final = re.compile(r"/apps/[^/]+/installations/([^/]+)/state")
_ACKNOWLEDGEMENT: Final = re.compile(r"/apps/[^/]+/installations/([^/]+)/credentials/([^/]+)/state")


@dataclass
class Witness:
    """Of one life."""

    stack: Stack
    track: Track
    service: PartnerService

    async def see(self, request: web.BaseRequest, body: bytes) -> None:
        """Take note of an answer or an acknowledgement that comes before its proof."""
        if request.method != "POST":
            return
        if found := _ANSWER.fullmatch(request.path):
            if orjson.loads(body).get("state") != "approve":
                self.track.wrong.append("a request was rejected, which nobody wanted")
            await self._answer(unquote(found[1]))
        elif found := _ACKNOWLEDGEMENT.fullmatch(request.path):
            await self._acknowledgement(unquote(found[1]), unquote(found[2]))

    async def _answer(self, installation_id: str) -> None:
        installation = self.stack.simulator.state.installations[installation_id]
        customer = Customer(self.stack, "", installation.account_id, installation_id)
        there = {
            "Namespace": await customer.live("Namespace"),
            "settings": await customer.live("ConfigMap", "settings"),
            "talkdesk": await customer.live("Secret", "talkdesk"),
        }
        missing = [name for name, found in there.items() if found is None]
        at_service = self.service.tenants.get(customer.tenant_name, {}).get("state", "nothing")
        if at_service in {"nothing", "Offboarded"}:
            missing.append("the service")
        match installation.state:
            case InstallationState.INSTALLING | InstallationState.UPDATING if missing:
                self.track.wrong.append(f"approved in state {installation.state} without {', '.join(missing)}")
            case InstallationState.UNINSTALLING if not {"talkdesk", "the service"} <= {*missing}:
                self.track.wrong.append("the uninstall was acknowledged before the tenant was offboarded")
            case _:
                pass

    async def _acknowledgement(self, installation_id: str, client_id: str) -> None:
        grants = self.stack.simulator.tokens._grants.values()
        if not any(grant.credentials.client_id == client_id for grant in grants):
            self.track.wrong.append("credentials were acknowledged with which no token had been issued")
        account = self.stack.simulator.state.installations[installation_id].account_id
        stored = await Customer(self.stack, "", account, installation_id).credential_secrets()
        if not stored:
            self.track.wrong.append("credentials were acknowledged that are not stored")
