"""One test's app and Talkdesk on a platform, and its customers.

    async with stack(platform, deadline={"answerWithin": "3s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

At its end it shows that the four invariants hold (`builders.invariants`).
"""

import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from builders.conditions import condition
from builders.platform import Platform
from builders.stack_manifests import talkdesk_app
from builders.watched import WITHIN, Object
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import (
    ANNOTATION_RECONCILE,
    GROUP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    VERSION,
    installation_name,
    tenant_name,
)
from talkdesk_runtime.kube import JSON_PATCH, MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.simulator import Behaviour, Settings, Simulator, SimulatorServer, commands
from talkdesk_sandbox.simulator.journal import Record
from talkdesk_sandbox.simulator.model import Event, Installation
from talkdesk_sandbox.simulator.results import Outcome

APP, INSTALLATION, TENANT = "TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"
PLURALS = {APP: "talkdeskapps", INSTALLATION: "talkdeskinstallations", TENANT: "talkdesktenants"}
TENANT_KINDS = {"Namespace": "namespaces", "ConfigMap": "configmaps", "Secret": "secrets"}


@dataclass
class Stack:
    """Made by `stack`."""

    platform: Platform
    app: str
    app_id: str
    server: SimulatorServer
    may_delete: set[str] = field(default_factory=set)
    """Ids of accounts whose tenants may lose objects though nobody uninstalled: they are purged, or lapse."""
    may_wait: set[str] = field(default_factory=set)
    """Ids of accounts that the test leaves without an answer."""
    forgotten: set[str] = field(default_factory=set)
    """Names of installations that the test deletes."""

    @property
    def simulator(self) -> Simulator:
        return self.server.simulator

    @property
    def namespace(self) -> str:
        return self.platform.namespace

    async def install(self, account: str | None = None, *, deliver: bool = True, **fields: Any) -> "Customer":
        """Let a new customer install the app; returns when the webhook has taken the event."""
        name = account or f"acme-{secrets.token_hex(3)}"
        command = commands.Install(account=name, app_id=self.app_id, deliver=deliver, **fields)
        outcome = self.simulator.install(command)
        customer = Customer(self, name, outcome.account_id, outcome.installation_id)
        if deliver:
            await self.delivered(outcome)
        return customer

    async def delivered(self, outcome: Outcome) -> None:
        """Wait until the events of a command were taken by the webhook."""
        await self.simulator.courier.settled()
        for event in outcome.events:
            for delivery in self.simulator.courier.log:
                if delivery.event.id == event.id:
                    assert delivery.state == "delivered", (event.type, delivery.attempts)
        await self.platform.watched.catch_up(self.platform.kube)

    async def become_ready(self) -> None:
        """Wait until the operator has read the app."""
        await self.platform.watched.until(
            APP, self.app, lambda held: condition(held, "Ready") == "True", "become Ready"
        )

    async def change_app(self, **spec: Any) -> None:
        """Merge into the app's spec, as a person does."""
        path = resource_path(GROUP, VERSION, PLURALS[APP], self.namespace, self.app)
        await self.platform.kube.request("PATCH", path, body={"spec": spec}, content_type=MERGE_PATCH)

    def behave(self, **settings: Any) -> None:
        """Change the simulator's behaviour."""
        self.simulator.change_settings(settings)


@dataclass
class Customer:
    """An account, its newest installation, and what became of both."""

    stack: Stack
    account: str
    account_id: str
    installation_id: str

    @property
    def name(self) -> str:
        """Name of the TalkdeskInstallation."""
        return installation_name(self.stack.app, self.installation_id)

    @property
    def tenant_name(self) -> str:
        return tenant_name(self.stack.app, self.account_id)

    @property
    def home(self) -> str:
        """Name of the tenant's namespace."""
        return f"td-{self.account_id}"

    @property
    def at_talkdesk(self) -> Installation:
        return self.stack.simulator.world.installation(self.installation_id)

    @property
    def installation(self) -> Object:
        held = self.stack.platform.watched.get(INSTALLATION, self.name)
        assert held is not None, f"there is no TalkdeskInstallation {self.name}"
        return held

    @property
    def tenant(self) -> Object | None:
        return self.stack.platform.watched.get(TENANT, self.tenant_name)

    async def becomes(self, phase: str, *, within: float = WITHIN) -> Object:
        """Wait for a phase that speaks of the present spec, with its work done."""

        def so(held: Object) -> bool:
            status = held.get("status", {})
            return (
                status.get("phase") == phase
                and status.get("observedGeneration") == held["metadata"]["generation"]
                and condition(held, "Reconciling") == "False"
            )

        return await self.until(so, f"become {phase} and rest", within=within)

    async def until(self, so: Callable[[Object], object], what: str, *, within: float = WITHIN) -> Object:
        """Wait until the TalkdeskInstallation is so."""
        held = await self.stack.platform.watched.until(
            INSTALLATION, self.name, lambda held: held is not None and so(held), what, within
        )
        assert held is not None
        return held

    async def announced(self, reason: str) -> None:
        """Wait until a Kubernetes Event of that reason was posted about it, which is the last thing in a pass."""
        gate = self.stack.platform.gate
        await gate.until(lambda: any(call.has_posted(self.name, reason) for call in gate.calls))

    async def settles(self, phase: str) -> None:
        """Wait until it became so, and that was announced."""
        await self.becomes(phase)
        await self.announced(phase)

    async def tenant_until(self, so: Callable[[Object | None], object], what: str) -> Object | None:
        """Wait until the TalkdeskTenant is so."""
        return await self.stack.platform.watched.until(TENANT, self.tenant_name, so, what)

    async def uninstall(self, *, deliver: bool = True, **fields: Any) -> None:
        """Let the customer uninstall."""
        command = commands.Uninstall(installation=self.installation_id, deliver=deliver, **fields)
        outcome = self.stack.simulator.uninstall(command)
        if deliver:
            await self.stack.delivered(outcome)

    async def reinstall(self, *, same_id: bool = False, deliver: bool = True) -> "Customer":
        """Let the customer install again; return the customer with the new installation."""
        command = commands.Reinstall(account=self.account, app_id=self.stack.app_id, same_id=same_id, deliver=deliver)
        outcome = self.stack.simulator.reinstall(command)
        if deliver:
            await self.stack.delivered(outcome)
        return Customer(self.stack, self.account, self.account_id, outcome.installation_id)

    def events(self, kind: str | None = None) -> list[Event]:
        """Return Talkdesk's events of this installation, oldest first."""
        every = self.stack.simulator.world.events.values()
        return [e for e in every if e.installation_id == self.installation_id and kind in {None, e.type}]

    async def deliver(self, event: Event) -> None:
        """Let Talkdesk send an event (again)."""
        self.stack.simulator.deliver(event)
        await self.stack.simulator.courier.settled()
        await self.stack.platform.watched.catch_up(self.stack.platform.kube)

    def approvals(self) -> list[Record]:
        """Return the calls by which Talkdesk took an approval of this installation."""
        return self.stack.simulator.journal.records(installation_id=self.installation_id, effect="approve")

    def posts(self) -> list[Record]:
        """Return every call that tried to answer, whatever came of it."""
        path = f"/apps/{self.stack.app_id}/installations/{self.installation_id}/state"
        return [r for r in self.stack.simulator.journal.records() if (r.method, r.path) == ("POST", path)]

    async def live(self, kind: str, name: str = "") -> Object | None:
        """Read one of the tenant's objects; without a name, its namespace."""
        path = resource_path("", "v1", TENANT_KINDS[kind], self.home if name else "", name or self.home)
        try:
            return await self.stack.platform.kube.request("GET", path)
        except KubeNotFound:
            return None

    async def secrets(self) -> list[Object]:
        """Read the stored credentials of this installation."""
        path = resource_path("", "v1", "secrets", self.stack.namespace)
        query = {"labelSelector": f"{GROUP}/installation={self.name}"}
        items: list[Object] = (await self.stack.platform.kube.request("GET", path, query=query))["items"]
        return items

    async def patch(self, *operations: Object, kind: str = INSTALLATION) -> Object:
        """Change the TalkdeskInstallation, or the TalkdeskTenant, as a person does: by a JSON patch."""
        name = self.name if kind == INSTALLATION else self.tenant_name
        path = resource_path(GROUP, VERSION, PLURALS[kind], self.stack.namespace, name)
        return await self.stack.platform.kube.request("PATCH", path, body=operations, content_type=JSON_PATCH)

    async def apply_by_hand(self, **spec: Any) -> None:
        """Do with kubectl what manifests/examples/import says, with what Talkdesk issued."""
        (event,) = self.events("app.installed")
        data, links, at = event.document["data"], event.document["_links"], event.document["created_at"]
        keys = ("client_id", "client_secret", "private_key", "key_id", "key_algorithm")
        name = f"{self.name[:50]}-by-hand"
        labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_INSTALLATION: self.name}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "stringData": {key: data[key] for key in keys},
        }
        installation = {
            **TalkdeskInstallation.head(),
            "metadata": {"name": self.name},
            "spec": {
                "appRef": {"name": self.stack.app},
                "installationId": self.installation_id,
                "accountId": self.account_id,
                "accountName": self.account,
                "endpoints": {"api": links["root"]["href"], "token": links["tokens"]["href"]},
                "request": {"type": "Install", "eventId": "by-hand", "requestedAt": at},
                "credentials": {"secretName": name, "eventId": "by-hand", "issuedAt": at},
                **spec,
            },
        }
        objects = {"apiVersion": "v1", "kind": "List", "items": [secret, installation]}
        await self.stack.platform.kubectl("apply", "-f", "-", stdin=json.dumps(objects))

    async def touch(self) -> None:
        """Annotate the TalkdeskInstallation, so that the operator looks at it."""
        await self.stack.platform.kubectl(
            "annotate", "tdi", self.name, f"touched={secrets.token_hex(4)}", "--overwrite"
        )

    async def looked_at(self) -> Object:
        """Ask for a look, as a person does; returns when it was taken."""
        moment, key = secrets.token_hex(8), ANNOTATION_RECONCILE
        await self.stack.platform.kubectl("annotate", "tdi", self.name, f"{key}={moment}", "--overwrite")

        def taken(held: Object) -> bool:
            return bool(held.get("status", {}).get("lastHandledReconcileAt") == moment)

        return await self.until(taken, "take the look")

    async def hurry(self) -> None:
        """Let the time of a back-off have passed, as far as the operator can tell."""
        patch = [{"op": "replace", "path": "/status/retry/nextAttemptAt", "value": "2026-01-01T00:00:00Z"}]
        path = resource_path(GROUP, VERSION, PLURALS[INSTALLATION], self.stack.namespace, self.name)
        await self.stack.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)

    async def delete(self) -> None:
        """Delete the TalkdeskInstallation, as a person does."""
        self.stack.forgotten.add(self.name)
        path = resource_path(GROUP, VERSION, PLURALS[INSTALLATION], self.stack.namespace, self.name)
        await self.stack.platform.kube.request("DELETE", path)

    async def vanishes(self) -> None:
        """Wait until there is no TalkdeskInstallation any more."""
        watched = self.stack.platform.watched
        await watched.until(INSTALLATION, self.name, lambda held: held is None, "vanish")


Stacks: TypeAlias = Callable[..., AbstractAsyncContextManager[Stack]]
"""Makes apps with Talkdesks of their own; keywords are members of the app's spec."""


@asynccontextmanager
async def stack(platform: Platform, *, settings: Settings | None = None, **spec: Any) -> AsyncIterator[Stack]:
    """Make an app of its own; keywords replace members of its spec, `steps` its template's."""
    app, app_id = f"app{secrets.token_hex(3)}", secrets.token_hex(16)
    callback = f"http://127.0.0.1:{platform.ports['webhook']}/events/{platform.namespace}/{app}"
    # Whole seconds would make one moment of what a test does in quick succession.
    defaults = Settings(behaviour=Behaviour(timestamp_form="milliseconds"))
    chosen = (settings or defaults).model_copy(update={"callback_url": callback})
    async with SimulatorServer(chosen) as server:
        made = Stack(platform, app, app_id, server)
        path = resource_path(GROUP, VERSION, PLURALS[APP], platform.namespace)
        await platform.kube.request("POST", path, body=talkdesk_app(app, app_id, server.url, **spec))
        await made.become_ready()
        yield made
