"""The life: what happens in it, one after the other, and when each step counts as completed the first time.

Later lives are compared with what the first ones came to after each step. A step of the template calls a partner's
service, which gets the customer's credentials and whose answer an object of the tenant has.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from builders.conditions import condition, reason
from builders.partner_service import KEY
from builders.stack import APP, INSTALLATION, PLURALS, acknowledged_event
from builders.stack_manifests import STEPS as STEPS_OF_TENANT
from builders.stack_manifests import config_map, talkdesk_app
from builders.watched import Object
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, ANNOTATION_RECONCILE, GROUP, VERSION
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.kube import MERGE_PATCH, resource_path
from talkdesk_sandbox.simulator import commands
from torture.life import SCIM_TOKEN, Life

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something happens, and the world follows."""

    name: str
    act: Callable[[Life], Awaitable[None]]
    """Does it."""
    reached: Callable[[Life], bool]
    """Whether everything that follows has begun to show; when nothing is asked any more after that, it is completed."""


async def _create(life: Life) -> None:
    platform, name = life.stack.platform, f"{life.token}-scim"
    metadata = {"name": name, "annotations": {ANNOTATION_FOR_HOSTS: host_of(life.users.url)}}
    secret = {"metadata": metadata, "stringData": {"token": SCIM_TOKEN}}
    await platform.kube.request("POST", resource_path("", "v1", "secrets", platform.namespace), body=secret)
    await _make_hook_key(life)
    token = {"name": name, "key": "token"}
    app = talkdesk_app(
        life.token,
        life.stack.app_id,
        life.talkdesk.url,
        users={"scim": {"url": f"{life.users.url}/scim/v2", "tokenSecretRef": token, "allowInsecure": True}},
        uninstall={"confirmAfter": "1s"},
        steps=_template(life),
        resyncPeriod="40s",
    )
    path = resource_path(GROUP, VERSION, PLURALS[APP], platform.namespace)
    await platform.kube.request("POST", path, body=app)


async def _make_hook_key(life: Life) -> None:
    metadata = {"name": _hook_key(life), "annotations": {ANNOTATION_FOR_HOSTS: host_of(life.hook.url)}}
    secret = {"metadata": metadata, "stringData": {"key": KEY}}
    await life.stack.platform.kube.request(
        "POST", resource_path("", "v1", "secrets", life.stack.namespace), body=secret
    )


def _hook_key(life: Life) -> str:
    return f"{life.token}-hook"


def _template(life: Life) -> tuple[dict[str, Any], ...]:
    """Return the usual steps and one that calls the service, before the object that has its answer."""
    http = {
        "url": f"{life.hook.url}/v1/tenants",
        "secretRef": {"name": _hook_key(life), "key": "key"},
        "allowInsecure": True,
        "credentials": True,
        "timeout": "600s",
    }
    base, settings, credentials = STEPS_OF_TENANT
    endpoint = config_map({"endpoint": "${outputs.account.endpoint}"}, "account")
    return base, settings, {"name": "account", "http": http}, {"name": "use", "manifests": [endpoint]}, credentials


async def _install(life: Life) -> None:
    trial = commands.SubscriptionSpec(type="trial")
    account, app = f"acme-{life.token}", life.stack.app_id
    life.simulator.install(
        commands.Install(account=account, app_id=app, account_id=life.account_id, users=3, subscription=trial)
    )


async def _update(life: Life) -> None:
    installation = life.installations[-1]
    leaver = next(user for user in installation.users if user != installation.created_by.id)
    life.simulator.update(commands.Update(installation=installation.id, adding=2, removing=(leaver,), plan="Silver"))


async def _rotate(life: Life) -> None:
    life.simulator.rotate(commands.Rotate(installation=life.installations[-1].id))


async def _end_trial(life: Life) -> None:
    life.simulator.trial(commands.TrialCommand(installation=life.installations[-1].id, action="end"))


async def _upgrade(life: Life) -> None:
    life.simulator.update(
        commands.Update(installation=life.installations[-1].id, type="paid", plan="Gold", licenses=20)
    )


async def _suspend(life: Life) -> None:
    life.simulator.supervise(commands.Supervise(installation=life.installations[-1].id, action="suspend"))
    await _request_reconcile(life)


async def _resume(life: Life) -> None:
    life.simulator.supervise(commands.Supervise(installation=life.installations[-1].id, action="resume"))
    await _request_reconcile(life)


async def _uninstall(life: Life) -> None:
    life.simulator.uninstall(commands.Uninstall(installation=life.installations[-1].id))


async def _reinstall(life: Life) -> None:
    life.simulator.reinstall(commands.Reinstall(account=f"acme-{life.token}", app_id=life.stack.app_id))


async def _purge(life: Life) -> None:
    await _merge(life, "talkdesktenants", life.customer.tenant_name, {"spec": {"purge": {"requestedBy": "ada"}}})


async def _delete_app(life: Life) -> None:
    path = resource_path(GROUP, VERSION, PLURALS[APP], life.stack.namespace, life.token)
    await life.stack.platform.kube.request("DELETE", path)


async def _request_reconcile(life: Life) -> None:
    """Request it as a person does, because Talkdesk sends no event."""
    annotations = {ANNOTATION_RECONCILE: secrets.token_hex(8)}
    await _merge(life, "talkdeskinstallations", life.customer.name, {"metadata": {"annotations": annotations}})


async def _merge(life: Life, plural: str, name: str, body: dict[str, Any]) -> None:
    path = resource_path(GROUP, VERSION, plural, life.stack.namespace, name)
    await life.stack.platform.kube.request("PATCH", path, body=body, content_type=MERGE_PATCH)


def _app_is_ready(life: Life) -> bool:
    return condition(life.stack.platform.watched.get(APP, life.token), "Ready") == "True"


def _app_is_gone(life: Life) -> bool:
    return life.stack.platform.watched.get(APP, life.token) is None


def _has(phase: str, *, also: Callable[[Object], object] = lambda _: True) -> Callable[[Life], bool]:
    def reached(life: Life) -> bool:
        obj = life.current
        status = obj.get("status", {})
        return (
            status.get("phase") == phase
            and status.get("observedGeneration") == obj["metadata"]["generation"]
            and condition(obj, "Reconciling") == "False"
            and bool(also(obj))
        )

    return reached


def _superseded(life: Life) -> bool:
    """Return whether the reinstall is complete, and the first installation says so, too."""
    first = life.stack.platform.watched.get(INSTALLATION, f"{life.token}-{life.installations[0].id}")
    return _has("Active")(life) and reason(first, "TenantReady") == "Superseded"


def _purged(life: Life) -> bool:
    watched = life.stack.platform.watched
    objects = [watched.get(INSTALLATION, f"{life.token}-{each.id}") or {} for each in life.installations]
    return life.tenant is None and all(obj.get("status", {}).get("phase") == "Purged" for obj in objects)


def _on_plan(plan: str) -> Callable[[Object], object]:
    return lambda obj: obj["status"].get("subscription", {}).get("name") == plan


STEPS: Final = (
    Step("the app", _create, _app_is_ready),
    Step("an install on trial", _install, _has("Active", also=lambda obj: obj["status"].get("trial"))),
    Step("an update of users and plan", _update, _has("Active", also=_on_plan("Silver"))),
    Step("a rotation", _rotate, _has("Active", also=acknowledged_event)),
    Step("the end of the trial", _end_trial, _has("Suspended")),
    Step("an upgrade", _upgrade, _has("Active", also=_on_plan("Gold"))),
    Step("a suspension", _suspend, _has("Suspended")),
    Step("its end", _resume, _has("Active")),
    Step("an uninstall", _uninstall, _has("Uninstalled")),
    Step("a reinstall", _reinstall, _superseded),
    Step("another uninstall", _uninstall, _has("Uninstalled")),
    Step("a purge", _purge, _purged),
    Step("the end of the app", _delete_app, _app_is_gone),
)
