"""One life: an app with a Talkdesk, a SCIM service, a partner's service and proxies of its own, and its customer.

Belongs here: what a life has, what is read of it, and when a step has been completed. Does not belong here: which steps
there are (`steps`), several lives at once (`batch`).
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from builders.partner_service import PartnerService, partner_service
from builders.platform import Platform
from builders.stack import APP, INSTALLATION, TENANT, Customer, Stack
from builders.watched import Object
from talkdesk_crds.names import LABEL_INSTALLATION, LABEL_TENANT
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.scim import ScimServer, ScimSettings
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, SimulatorServer
from talkdesk_sandbox.simulator.state import Installation
from torture import snapshot
from torture.names import replaced
from torture.points import Disturbance
from torture.talkdesk_proxy import ServiceProxy, service_proxy
from torture.track import Track
from torture.witness import Witness

__all__ = ["SCIM_TOKEN", "Life", "living"]

SCIM_TOKEN: Final = "made-up-scim-token"
_RETRIES: Final = 60
"""Deliveries after the first: the webhook is away for some seconds after it was killed."""


@dataclass(eq=False)
class Life:
    """Made by `living`."""

    token: str
    stack: Stack
    scim: ScimServer
    talkdesk: ServiceProxy
    users: ServiceProxy
    """The proxy before the SCIM service."""
    service: PartnerService
    """What the `http` step of the template calls."""
    hook: ServiceProxy
    """The proxy before it."""
    track: Track
    snapshots: list[Any] = field(default_factory=list)
    """What was there after each step."""
    _uids: snapshot.Uids = field(default_factory=snapshot.Uids)
    _names: list[tuple[str, str]] = field(default_factory=list)
    _named: tuple[int, ...] = ()
    """How much there was to name."""
    _people: list[dict[str, Any]] = field(default_factory=list)
    _people_at: int = -1
    """The number of the last request when these users of the SCIM service were read."""

    @property
    def simulator(self) -> Simulator:
        """Its Talkdesk."""
        return self.stack.simulator

    @property
    def account_id(self) -> str:
        """Talkdesk's id of the customer's account."""
        return f"{self.token}c"

    @property
    def installations(self) -> list[Installation]:
        """All installations so far, oldest first."""
        return list(self.simulator.state.installations.values())

    @property
    def customer(self) -> Customer:
        """The customer with the newest installation, if there is one yet."""
        newest = [each.id for each in self.installations][-1:]
        return Customer(self.stack, f"acme-{self.token}", self.account_id, "".join(newest))

    @property
    def current(self) -> Object:
        """The TalkdeskInstallation of the newest installation; empty while there is none."""
        return self.stack.platform.watched.get(INSTALLATION, self.customer.name) or {}

    @property
    def tenant(self) -> Object | None:
        """The TalkdeskTenant."""
        return self.stack.platform.watched.get(TENANT, self.customer.tenant_name)

    def names(self) -> list[tuple[str, str]]:
        """Return what differs from life to life, and the words that stand for it; the longest go first."""
        state = self.simulator.state
        users = sum(len(account.users) for account in state.accounts.values())
        size = len(state.clients), len(state.events), users
        if size != self._named:
            self._named, self._names = size, sorted(self._words().items(), key=lambda pair: (-len(pair[0]), pair[0]))
        return self._names

    def _words(self) -> dict[str, str]:
        known = {
            self.talkdesk.url: "TALKDESK",
            self.users.url: "SCIM",
            self.hook.url: "HOOK",
            self.stack.namespace: "NS",
        }
        known |= {self.token: "APP", self.account_id: "ACCOUNT", self.stack.app_id: "APPID"}
        known[f"td-{self.stack.namespace}-{self.account_id}"] = "TENANT"
        known[f"{self.token}-{self.account_id}"] = "RECORD"
        for number, installation in enumerate(self.installations, 1):
            known[installation.id] = f"I{number}"
            for version, issued in enumerate(installation.credentials, 1):
                known |= {issued.client_id: f"I{number}CLIENT{version}", issued.key_id: f"I{number}KEYID{version}"}
                known[issued.key.encode_private("pkcs8", "none")] = f"I{number}KEY{version}"
        for account in self.simulator.state.accounts.values():
            known |= {user: f"USER{number}" for number, user in enumerate(account.users, 1)}
        return known | {event: f"EVENT{number}" for number, event in enumerate(self.simulator.state.events, 1)}

    def version(self) -> tuple[object, ...]:
        """Return what is another value whenever `memory` may be another."""
        seen = [self.stack.platform.watched.get(APP, self.token), self.tenant]
        seen += [self.stack.platform.watched.get(INSTALLATION, f"{self.token}-{i.id}") for i in self.installations]
        versions = [None if obj is None else obj["metadata"]["resourceVersion"] for obj in seen]
        asked = [each.sequence for each in self.simulator.journal.records()[-1:]]
        return (*versions, *asked, self._asked_of_scim(), len(self.service.asked), len(self.simulator.state.events))

    def _asked_of_scim(self) -> int:
        return len(self.scim.journal.records())

    def memory(self) -> dict[str, Any]:
        """Return the canonical form of what can be told without asking: our kinds, Talkdesk and both services."""
        names, watched = self.names(), self.stack.platform.watched
        asked = self._asked_of_scim()
        if asked != self._people_at:
            self._people_at, self._people = asked, [_user(each) for each in self.scim.users()]
        return {
            "app": snapshot.app_of(watched.get(APP, self.token), names),
            "installations": [
                snapshot.installation_of(watched.get(INSTALLATION, f"{self.token}-{each.id}"), names)
                for each in self.installations
            ],
            "talkdesk": [snapshot.talkdesk_of(each, names) for each in self.installations],
            "users": sorted(replaced(self._people, names), key=str),
            "service": snapshot.service_of(self.service.tenants, names),
        }

    async def live(self) -> dict[str, Any]:
        """Return the canonical form of what the API server says: the tenant's objects, its record, our Secrets."""
        names, objects, own = self.names(), await self._objects(), await self._secrets()
        uids = {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["uid"] for each in objects}
        return {
            "tenant": snapshot.tenant_of(self.tenant, uids, names),
            "objects": sorted((snapshot.tenant_object_of(each, self._uids, names) for each in objects), key=str),
            "secrets": sorted((snapshot.secret_of(each, names) for each in own), key=str),
            "wrong": [*self.track.wrong, *self.service.problems],
        }

    async def _objects(self) -> list[Object]:
        customer, found = self.customer, list[Object]()
        if (namespace := await customer.live("Namespace")) is not None:
            found.append({**namespace, "kind": "Namespace"})
        selector = {"labelSelector": f"{LABEL_TENANT}={customer.tenant_name}"}
        for kind, plural in (("ConfigMap", "configmaps"), ("Secret", "secrets")):
            path = resource_path("", "v1", plural, customer.tenant_namespace)
            listing = await self.stack.platform.kube.request("GET", path, query=selector)
            found += [{**each, "kind": kind} for each in listing["items"]]
        return found

    async def _secrets(self) -> list[Object]:
        path, found = resource_path("", "v1", "secrets", self.stack.namespace), list[Object]()
        names = ",".join(f"{self.token}-{each.id}" for each in self.installations)
        selectors = [f"{LABEL_INSTALLATION} in ({names})"] if names else []
        for selector in (*selectors, f"{LABEL_TENANT}={self.customer.tenant_name}"):
            found += (await self.stack.platform.kube.request("GET", path, query={"labelSelector": selector}))["items"]
        return found

    async def absent(self, path: str) -> bool:
        """Return whether there is no object at a path."""
        try:
            await self.stack.platform.kube.request("GET", path)
        except KubeNotFound:
            return True
        return False


def _user(resource: dict[str, Any]) -> dict[str, Any]:
    roles = sorted(str(each.get("value")) for each in resource.get("roles") or ())
    return {key: resource.get(key) for key in ("externalId", "userName", "active", "displayName")} | {"roles": roles}


@asynccontextmanager
async def living(
    platform: Platform, tracks: dict[str, Track], number: int, disturbances: Mapping[str, Disturbance]
) -> AsyncIterator[Life]:
    """Open a life's Talkdesk, its services and its proxies; nothing is in the cluster yet."""
    token = f"t{number:03d}{secrets.token_hex(2)}"
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        )
        track = Track(token, tuple, disturbances)
        talkdesk = await stack.enter_async_context(service_proxy("talkdesk", track, session))
        users = await stack.enter_async_context(service_proxy("scim", track, session))
        server = await stack.enter_async_context(SimulatorServer(_settings(platform, token, talkdesk.url)))
        scim = await stack.enter_async_context(ScimServer(ScimSettings(token=SCIM_TOKEN)))
        service = await stack.enter_async_context(partner_service(strict=False))
        hook = await stack.enter_async_context(service_proxy("hook", track, session))
        talkdesk.upstream, users.upstream = server.url, scim.url.rsplit("/scim", 1)[0]
        hook.upstream = service.url
        own = Stack(platform, token, secrets.token_hex(16), server)
        made = Life(token, own, scim, talkdesk, users, service, hook, track)
        track.names = made.names
        talkdesk.witness = Witness(own, track, service).see
        tracks[token] = track
        yield made


def _settings(platform: Platform, token: str, url: str) -> Settings:
    callback = f"http://127.0.0.1:{platform.ports['webhook']}/events/{platform.namespace}/{token}"
    behavior = {"timestamp_form": "milliseconds", "retry_delays": ["1s"] * _RETRIES, "delivery_timeout": "10m"}
    return Settings(public_url=url, callback_url=callback, behavior=Behavior.model_validate(behavior))
