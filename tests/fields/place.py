"""A place for changes: a namespace with an app and two customers of its own, one on trial and one who pays."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from builders.partner_service import KEY, partner_service
from builders.platform import Platform
from builders.stack import APP, INSTALLATION, TENANT, Customer, Stack, stack
from builders.stack_manifests import NAMESPACE, SECRET, config_map
from builders.watched import Object, watching
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_sandbox.scim import ScimServer, ScimSettings
from talkdesk_sandbox.simulator import commands

__all__ = ["NEW", "PAID", "TRIAL", "Place", "newcomer", "place"]

TRIAL: Final = "on trial"
PAID: Final = "paying"
NEW: Final = "new"
_TOKEN: Final = "made-up-scim-token"
_KEY: Final = "made-up-logout-key"
_NOBODY: Final = "127.0.0.1:9"
"""A host where nobody answers."""
_SETTINGS: Final = config_map(
    {
        "account": "${account.name != null ? account.name : ''}",
        "color": "${tenant.values.color}",
        "suspended": "${string(tenant.suspended)}",
    }
)
_STEPS: Final = (
    {"name": "base", "manifests": [NAMESPACE]},
    {
        "name": "settings",
        "manifests": [_SETTINGS],
        "readyWhen": "object.metadata.name == 'settings'",
        "onRemove": "Retain",
    },
    {"name": "credentials", "manifests": [SECRET], "onOffboard": "Delete"},
)
_CALL: Final = {
    "secretRef": {"name": "hook", "key": "key"},
    "caBundle": "",
    "timeout": "2s",
    "pollingTimeout": "1m",
    "headers": {"X-Made-Up": "gold"},
    "body": {"state": "${tenant.state}"},
    "credentials": False,
    "onRefusal": "Hold",
    "allowInsecure": True,
}
_TOLD: Final = {
    "secretRef": {"name": "hook", "key": "key"},
    "events": ["Installed", "Approved", "Suspended"],
    "filter": "event.type != 'Suspended' || account.name != 'nobody'",
    "caBundle": "",
    "timeout": "2s",
    "giveUpAfter": "1h",
    "allowInsecure": True,
}


@dataclass(frozen=True)
class Place:
    """Made by `place`."""

    talkdesk: Stack
    scim: ScimServer
    customers: dict[str, Customer]
    """By TRIAL and PAID."""

    @property
    def platform(self) -> Platform:
        return self.talkdesk.platform

    def name(self, kind: str, whose: str) -> str:
        """Return the name of the object of a kind; `whose` counts for nothing where it is the app."""
        customer = self.customers[whose]
        return {APP: self.talkdesk.app, INSTALLATION: customer.name, TENANT: customer.tenant_name}[kind]

    def shown(self, kind: str, whose: str) -> Object:
        """Return the newest version that the watch showed."""
        held = self.platform.watched.get(kind, self.name(kind, whose))
        assert held is not None, f"there is no {kind} {self.name(kind, whose)}"
        return held


@asynccontextmanager
async def place(home: Platform, namespace: str, decider: str) -> AsyncIterator[Place]:
    """Make the app with every optional part of its spec, and its customers; `decider` approves their installs."""
    async with (
        watching(home.kube, namespace) as watched,
        ScimServer(ScimSettings(token=_TOKEN)) as scim,
        partner_service() as service,
    ):
        platform = replace(home, namespace=namespace, watched=watched)
        home.canaries |= {_TOKEN.encode(), _KEY.encode(), KEY.encode()}
        token = f"scim-{secrets.token_hex(3)}"
        await _secret(platform, token, {"token": _TOKEN}, f"{host_of(scim.url)},{_NOBODY}")
        await _secret(platform, "single-logout", {"key": _KEY}, _NOBODY)
        await _secret(platform, "hook", {"key": KEY}, f"{host_of(service.url)},{_NOBODY}")
        async with stack(platform, **_spec(scim.url, token, service.url)) as talkdesk:
            customers = await asyncio.gather(
                talkdesk.install(subscription=commands.SubscriptionSpec(type="trial")), talkdesk.install()
            )
            made = Place(talkdesk, scim, dict(zip((TRIAL, PAID), customers, strict=True)))
            await asyncio.gather(*(_approve(each, decider) for each in customers))
            await made.customers[TRIAL].until_on_trial()
            await asyncio.gather(*(each.becomes("Active") for each in customers))
            yield made


@asynccontextmanager
async def newcomer(made: Place, decider: str) -> AsyncIterator[tuple[Place, str]]:
    """Let one more customer install the app, whom a change may end; yield the place with them and their name there."""
    customer = await made.talkdesk.install(subscription=commands.SubscriptionSpec(type="trial"))
    made.talkdesk.may_lose_objects.add(customer.account_id)
    made.talkdesk.may_stay_unanswered.add(customer.account_id)
    made.talkdesk.deleted_installations.add(customer.name)
    await _approve(customer, decider)
    await customer.until_on_trial()
    await customer.becomes("Active")
    yield replace(made, customers={**made.customers, NEW: customer}), NEW


async def _approve(customer: Customer, decider: str) -> None:
    await customer.until(lambda obj: obj["spec"].get("request"), "have a request")
    decision = {
        "eventId": customer.installation["spec"]["request"]["eventId"],
        "decision": "Approve",
        "reason": "as agreed",
        "decidedBy": decider,
    }
    await customer.patch({"op": "add", "path": "/spec/approval", "value": decision})


async def _secret(platform: Platform, name: str, data: dict[str, str], hosts: str) -> None:
    metadata = {"name": name, "annotations": {ANNOTATION_FOR_HOSTS: hosts}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
    await platform.kubectl("apply", "-f", "-", stdin=json.dumps(secret))


def _spec(scim: str, token: str, service: str) -> dict[str, Any]:
    """Return what the app has beside its hosts: every optional field, so that each can be changed and taken away."""
    rule = {"expression": "account.name == 'nobody'", "reason": "not for nobody"}
    return {
        "events": {"signatureVerification": "Required"},
        "approval": {
            "mode": "Manual",
            "rejectWhen": [rule],
            "automatic": {"decision": "Approve", "beforeDeadline": "2h"},
        },
        "tenant": {"values": {"color": "blue"}, "httpHosts": [host_of(service), _NOBODY]},
        "steps": (*_STEPS, {"name": "account", "http": {"url": f"{service}/v1/tenants", **_CALL}}),
        "users": {
            "scim": {
                "url": scim,
                "tokenSecretRef": {"name": token, "key": "token"},
                "allowInsecure": True,
                "attributes": ["externalId", "displayName", "name.formatted", "emails", "roles"],
                "avoid": ["Bulk"],
            }
        },
        "logout": {
            "url": "http://127.0.0.1:9/logout",
            "secretRef": {"name": "single-logout", "key": "key"},
            "allowInsecure": True,
        },
        "notifications": [{"name": "default", "url": f"{service}/v1/notifications", **_TOLD}],
        # Whatever an edit of the template does, it does to both customers at once.
        "templateRollout": {"maxUnavailable": "100%", "pauseAfterFailures": 0},
        "resyncPeriod": "1h",
    }
