"""An app with a Talkdesk of its own on a platform, for one test, and its customers.

    async with stack(platform, deadline={"answerWithin": "3s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")

The fixture `stacks` makes them so that the four invariants are checked at the end (`builders.invariants`).
"""

import json
import secrets
from base64 import b64decode
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
    ANNOTATION_CONFIRM_DELETION,
    ANNOTATION_RECONCILE,
    GROUP,
    LABEL_INSTALLATION,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    SECRET_TYPE,
    VERSION,
    dns_label,
    installation_name,
    tenant_name,
)
from talkdesk_runtime.kube import JSON_PATCH, MERGE_PATCH, resource_path
from talkdesk_runtime.kube_errors import KubeNotFound
from talkdesk_sandbox.simulator import Behavior, Settings, Simulator, SimulatorServer, commands
from talkdesk_sandbox.simulator.http import Record
from talkdesk_sandbox.simulator.state import Event, Installation
from talkdesk_sandbox.simulator.views import Outcome

APP, INSTALLATION, TENANT = "TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"
PLURALS = {APP: "talkdeskapps", INSTALLATION: "talkdeskinstallations", TENANT: "talkdesktenants"}
TENANT_KINDS = {"Namespace": "namespaces", "ConfigMap": "configmaps", "Secret": "secrets"}


@dataclass
class Stack:
    """Create it by `stack`."""

    platform: Platform
    app: str
    app_id: str
    server: SimulatorServer
    may_lose_objects: set[str] = field(default_factory=set)
    """Ids of accounts whose tenants may lose objects without an uninstall, by a purge or a request that times out."""
    may_stay_unanswered: set[str] = field(default_factory=set)
    """Ids of accounts that the test leaves without an answer."""
    deleted_installations: set[str] = field(default_factory=set)
    """Names of installations that the test deletes."""

    @property
    def simulator(self) -> Simulator:
        return self.server.simulator

    @property
    def namespace(self) -> str:
        return self.platform.namespace

    async def install(self, account: str | None = None, *, deliver: bool = True, **fields: Any) -> "Customer":
        """Let a new customer install the app. Return when the webhook has accepted the event."""
        name = account or f"acme-{secrets.token_hex(3)}"
        command = commands.Install(account=name, app_id=self.app_id, deliver=deliver, **fields)
        outcome = self.simulator.install(command)
        customer = Customer(self, name, outcome.account_id, outcome.installation_id)
        if deliver:
            await self.delivered(outcome)
        return customer

    async def delivered(self, outcome: Outcome) -> None:
        """Wait until the webhook has accepted the events of a command."""
        await self.simulator.dispatcher.drain()
        for event in outcome.events:
            for delivery in self.simulator.dispatcher.log:
                if delivery.event.id == event.id:
                    assert delivery.state == "delivered", (event.type, delivery.attempts)
        await self.platform.watched.catch_up(self.platform.kube)

    async def become_ready(self) -> None:
        """Wait until the operator has read the app."""
        await self.platform.watched.until(APP, self.app, lambda obj: condition(obj, "Ready") == "True", "become Ready")

    async def change_app(self, *, at_once: bool = False, **spec: Any) -> None:
        """Merge these fields into the app's spec, as a person does; `at_once` what it deletes is deleted at once."""
        path = resource_path(GROUP, VERSION, PLURALS[APP], self.namespace, self.app)
        app = await self.platform.kube.request("PATCH", path, body={"spec": spec}, content_type=MERGE_PATCH)
        if at_once:
            word = {ANNOTATION_CONFIRM_DELETION: str(app["metadata"]["generation"])}
            body = {"metadata": {"annotations": word}}
            await self.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    def behave(self, **settings: Any) -> None:
        """Change the simulator's behaviour."""
        self.simulator.change_settings(settings)


@dataclass
class Customer:
    """An account and its newest installation, as Talkdesk, our kinds and the cluster show them."""

    stack: Stack
    account: str
    account_id: str
    installation_id: str

    @property
    def name(self) -> str:
        """Return the name of the TalkdeskInstallation."""
        return installation_name(self.stack.app, self.installation_id)

    @property
    def tenant_name(self) -> str:
        return tenant_name(self.stack.app, self.account_id)

    @property
    def tenant_namespace(self) -> str:
        """Return the name of the tenant's namespace."""
        return dns_label(f"td-{self.stack.namespace}-{self.account_id}")

    @property
    def at_talkdesk(self) -> Installation:
        return self.stack.simulator.state.installation(self.installation_id)

    @property
    def installation(self) -> Object:
        obj = self.stack.platform.watched.get(INSTALLATION, self.name)
        assert obj is not None, f"there is no TalkdeskInstallation {self.name}"
        return obj

    @property
    def tenant(self) -> Object | None:
        return self.stack.platform.watched.get(TENANT, self.tenant_name)

    async def becomes(self, phase: str, *, within: float = WITHIN) -> Object:
        """Wait until the present spec is in this phase and nothing is under way; return the object."""

        def reached(obj: Object) -> bool:
            status = obj.get("status", {})
            return (
                status.get("phase") == phase
                and status.get("observedGeneration") == obj["metadata"]["generation"]
                and condition(obj, "Reconciling") == "False"
            )

        return await self.until(reached, f"become {phase} and have nothing under way", within=within)

    async def until(self, predicate: Callable[[Object], object], what: str, *, within: float = WITHIN) -> Object:
        """Wait until the predicate holds for the TalkdeskInstallation; return the object."""
        obj = await self.stack.platform.watched.until(
            INSTALLATION, self.name, lambda obj: obj is not None and predicate(obj), what, within
        )
        assert obj is not None
        return obj

    async def kubernetes_event(self, reason: str) -> None:
        """Wait until a Kubernetes Event of that reason was created for it, which is the last write of a reconcile."""
        gate = self.stack.platform.gate
        await gate.until(lambda: any(call.has_posted(self.name, reason) for call in gate.calls))

    async def converges(self, phase: str) -> None:
        """Wait until it is in this phase and the Kubernetes Event of that name was created."""
        await self.becomes(phase)
        await self.kubernetes_event(phase)

    async def backs_off(self) -> Object:
        """Wait until a failed attempt is recorded together with the time of the next one; return the object."""
        return await self.until(lambda obj: obj.get("status", {}).get("retry"), "back off")

    async def until_on_trial(self) -> Object:
        """Wait until the status shows a trial."""
        return await self.until(lambda obj: obj.get("status", {}).get("trial"), "be on trial")

    async def until_acknowledged(self, event_id: str, *, within: float = WITHIN) -> Object:
        """Wait until Talkdesk has the acknowledgement of the rotation that came with this event."""
        return await self.until(
            lambda obj: acknowledged_event(obj) == event_id, "acknowledge the rotation", within=within
        )

    async def tenant_until(self, predicate: Callable[[Object | None], object], what: str) -> Object | None:
        """Wait until the predicate holds for the TalkdeskTenant, or for None when there is none."""
        return await self.stack.platform.watched.until(TENANT, self.tenant_name, predicate, what)

    async def uninstall(self, *, deliver: bool = True, **fields: Any) -> None:
        """Let the customer uninstall."""
        command = commands.Uninstall(installation=self.installation_id, deliver=deliver, **fields)
        outcome = self.stack.simulator.uninstall(command)
        if deliver:
            await self.stack.delivered(outcome)

    async def reinstall(self, *, same_id: bool = False, deliver: bool = True) -> "Customer":
        """Let the customer install the app again; return the customer with the new installation."""
        command = commands.Reinstall(account=self.account, app_id=self.stack.app_id, same_id=same_id, deliver=deliver)
        outcome = self.stack.simulator.reinstall(command)
        if deliver:
            await self.stack.delivered(outcome)
        return Customer(self.stack, self.account, self.account_id, outcome.installation_id)

    def events(self, kind: str | None = None) -> list[Event]:
        """Return Talkdesk's events of this installation, oldest first."""
        every = self.stack.simulator.state.events.values()
        return [e for e in every if e.installation_id == self.installation_id and kind in {None, e.type}]

    async def deliver(self, event: Event) -> None:
        """Let Talkdesk send an event, for the first time or again."""
        self.stack.simulator.deliver(event)
        await self.stack.simulator.dispatcher.drain()
        await self.stack.platform.watched.catch_up(self.stack.platform.kube)

    def approvals(self) -> list[Record]:
        """Return the calls by which Talkdesk accepted an approval of this installation."""
        return self.stack.simulator.journal.records(installation_id=self.installation_id, effect="approve")

    def answer_calls(self) -> list[Record]:
        """Return every call that tried to answer, also those without success."""
        path = f"/apps/{self.stack.app_id}/installations/{self.installation_id}/state"
        return [r for r in self.stack.simulator.journal.records() if (r.method, r.path) == ("POST", path)]

    async def live(self, kind: str, name: str = "") -> Object | None:
        """Read one of the tenant's objects, or without a name its namespace; None when there is no such object."""
        path = resource_path(
            "", "v1", TENANT_KINDS[kind], self.tenant_namespace if name else "", name or self.tenant_namespace
        )
        try:
            return await self.stack.platform.kube.request("GET", path)
        except KubeNotFound:
            return None

    async def existing(self, kind: str, name: str = "") -> Object:
        """Read one of the tenant's objects, or without a name its namespace; fail when there is no such object."""
        obj = await self.live(kind, name)
        assert obj is not None, f"{self.tenant_namespace} has no {kind} {name}"
        return obj

    async def uid(self, kind: str, name: str = "") -> str:
        """Return the uid of one of the tenant's objects, which tells it from an earlier one of the same name."""
        return str((await self.existing(kind, name))["metadata"]["uid"])

    async def tenant_client_id(self) -> str:
        """Return the OAuth client id in the tenant's Secret, which tells the credential versions apart."""
        secret = await self.existing("Secret", "talkdesk")
        return b64decode(secret["data"]["client_id"]).decode()

    async def credential_secrets(self) -> list[Object]:
        """Return the Secrets that hold the credential versions of this installation."""
        path = resource_path("", "v1", "secrets", self.stack.namespace)
        query = {"labelSelector": f"{GROUP}/installation={self.name}"}
        items: list[Object] = (await self.stack.platform.kube.request("GET", path, query=query))["items"]
        return items

    async def patch(self, *operations: Object, kind: str = INSTALLATION) -> Object:
        """Change the TalkdeskInstallation or the TalkdeskTenant by a JSON patch, as a person does."""
        name = self.name if kind == INSTALLATION else self.tenant_name
        path = resource_path(GROUP, VERSION, PLURALS[kind], self.stack.namespace, name)
        return await self.stack.platform.kube.request("PATCH", path, body=operations, content_type=JSON_PATCH)

    async def apply_by_hand(self, **spec: Any) -> None:
        """Import the installation as manifests/examples/import shows, with the credentials that Talkdesk issued."""
        (event,) = self.events("app.installed")
        data, links, at = event.document["data"], event.document["_links"], event.document["created_at"]
        keys = ("client_id", "client_secret", "private_key", "key_id", "key_algorithm")
        name = f"{self.name[:50]}-by-hand"
        labels = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_INSTALLATION: self.name}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "type": SECRET_TYPE,
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
                "request": {"type": "Install", "eventId": "by-hand", "eventTime": at},
                "credentials": {"secretName": name, "eventId": "by-hand", "eventTime": at},
                **spec,
            },
        }
        objects = {"apiVersion": "v1", "kind": "List", "items": [secret, installation]}
        await self.stack.platform.kubectl("apply", "-f", "-", stdin=json.dumps(objects))

    async def touch(self) -> None:
        """Annotate the TalkdeskInstallation, so that the operator reconciles it."""
        await self.stack.platform.kubectl(
            "annotate", "tdi", self.name, f"touched={secrets.token_hex(4)}", "--overwrite"
        )

    async def request_reconcile(self) -> Object:
        """Request a reconcile by the annotation, as a person does; return the object when it was done."""
        moment, key = secrets.token_hex(8), ANNOTATION_RECONCILE
        await self.stack.platform.kubectl("annotate", "tdi", self.name, f"{key}={moment}", "--overwrite")

        def handled(obj: Object) -> bool:
            return bool(obj.get("status", {}).get("lastHandledReconcileAt") == moment)

        return await self.until(handled, "be reconciled")

    async def skip_backoff(self) -> None:
        """Set the time of the next attempt to the past, as if the back-off were over."""
        patch = [{"op": "replace", "path": "/status/retry/nextAttemptTime", "value": "2026-01-01T00:00:00Z"}]
        path = resource_path(GROUP, VERSION, PLURALS[INSTALLATION], self.stack.namespace, self.name)
        await self.stack.platform.kube.request("PATCH", f"{path}/status", body=patch, content_type=JSON_PATCH)

    async def delete(self) -> None:
        """Delete the TalkdeskInstallation, as a person does who means it."""
        self.stack.deleted_installations.add(self.name)
        path = resource_path(GROUP, VERSION, PLURALS[INSTALLATION], self.stack.namespace, self.name)
        confirmed = {"metadata": {"annotations": {ANNOTATION_CONFIRM_DELETION: "true"}}}
        await self.stack.platform.kube.request("PATCH", path, body=confirmed, content_type=MERGE_PATCH)
        await self.stack.platform.kube.request("DELETE", path)

    async def until_deleted(self) -> None:
        """Wait until the TalkdeskInstallation no longer exists."""
        watched = self.stack.platform.watched
        await watched.until(INSTALLATION, self.name, lambda obj: obj is None, "be deleted")


def acknowledged_event(obj: Object) -> str | None:
    """Return the id of the event whose credentials were acknowledged last."""
    event_id: str | None = obj.get("status", {}).get("credentials", {}).get("acknowledgedEventId")
    return event_id


Stacks: TypeAlias = Callable[..., AbstractAsyncContextManager[Stack]]
"""Creates an app with a Talkdesk of its own; keywords are fields of the app's spec."""


@asynccontextmanager
async def stack(platform: Platform, *, settings: Settings | None = None, **spec: Any) -> AsyncIterator[Stack]:
    """Create an app with a Talkdesk of its own; keywords replace fields of its spec, `steps` those of its template."""
    app, app_id = f"app{secrets.token_hex(3)}", secrets.token_hex(16)
    callback = f"http://127.0.0.1:{platform.ports['webhook']}/events/{platform.namespace}/{app}"
    # With whole seconds, events that a test causes in quick succession would have the same time.
    defaults = Settings(behavior=Behavior(timestamp_form="milliseconds"))
    chosen = (settings or defaults).model_copy(update={"callback_url": callback})
    async with SimulatorServer(chosen) as server:
        made = Stack(platform, app, app_id, server)
        path = resource_path(GROUP, VERSION, PLURALS[APP], platform.namespace)
        await platform.kube.request("POST", path, body=talkdesk_app(app, app_id, server.url, **spec))
        await made.become_ready()
        yield made
