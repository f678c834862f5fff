"""The four invariants that hold in every row of `cases.toml`, checked after each test.

I1 no acknowledged event is lost; I2 no tenant object is deleted without an uninstall or an explicit purge; I3 every
request is answered; I4 no secret is in any log, Event, metric, status or condition.

What takes long is done in a thread: the programs' way to the API server leads through this process (`kube_gate`), and
an operator that can't renew its Lease ends.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from builders.platform import PROGRAMS, Platform
from builders.recorded import REGISTERS, is_recorded
from builders.stack import INSTALLATION, PLURALS, TENANT, Stack
from talkdesk_crds.names import GROUP, VERSION, installation_name, tenant_name
from talkdesk_runtime.kube import resource_path
from talkdesk_sandbox.simulator.state import PENDING, InstallationState

_PLURAL = {"namespaces": "Namespace", "configmaps": "ConfigMap", "secrets": "Secret"}


async def violations(stack: Stack) -> list[str]:
    """Return a sentence for each violation."""
    await stack.platform.watched.catch_up(stack.platform.kube)
    return [*violations_so_far(stack), *await leaks(stack.platform, secrets_of(stack))]


def violations_so_far(stack: Stack) -> list[str]:
    """Return a sentence for each violation of I1, I2 and I3, as far as the watch has shown things."""
    return [*_lost_events(stack), *_wrong_deletions(stack), *_unanswered(stack)]


async def leaks(platform: Platform, secrets: set[bytes]) -> list[str]:
    """Return a sentence for each place in which one of these secrets is (I4)."""
    platform.canaries |= secrets
    return [f"I4: a secret is in {where}" for where in await places_of(secrets, await _readable_texts(platform))]


async def secrets_in_describe(platform: Platform) -> list[str]:
    """Return a sentence when `kubectl describe` shows a secret of any test so far."""
    text = await platform.kubectl("describe", ",".join([*PLURALS.values(), "events"]))
    return [
        f"I4: a secret is in {where}" for where in await places_of(platform.canaries, [("describe", text.encode())])
    ]


def _lost_events(stack: Stack) -> Iterator[str]:
    for delivery in stack.simulator.dispatcher.log:
        event = delivery.event
        name = installation_name(stack.app, event.installation_id)
        accepted = any(attempt.status == 200 for attempt in delivery.attempts)
        if not accepted or name in stack.deleted_installations or event.type not in REGISTERS:
            continue
        obj = stack.platform.watched.get(INSTALLATION, name)
        for register in REGISTERS[event.type]:
            if obj is None or not is_recorded(stack.simulator.state.events, obj["spec"].get(register), event):
                yield f"I1: {event.type} got a 200, but {register} of {name} does not have it"


def _wrong_deletions(stack: Stack) -> Iterator[str]:
    """Compare the tenants' objects that the operator deleted with the uninstalls and the ends of retentions."""
    deletions = [(call, _object_of(call.path)) for call in stack.platform.gate.calls if call.method == "DELETE"]
    for account in stack.simulator.state.accounts.values():
        name = tenant_name(stack.app, account.id)
        versions = stack.platform.watched.versions(TENANT, name)
        owned = {
            (o["kind"], o.get("namespace", ""), o["name"]): o.get("onOffboard", "Retain")
            for seen in versions
            for o in (*seen.object["spec"].get("objects", []), *seen.object.get("status", {}).get("inventory", []))
        }
        ended = [
            e.created_at
            for e in stack.simulator.state.events.values()
            if e.account_id == account.id and e.type == "app.uninstalled"
        ]
        purges = [
            datetime.fromisoformat(seen.object["status"]["purgeTime"])
            for seen in versions
            if "purgeTime" in seen.object.get("status", {})
        ]
        for call, identity in deletions:
            if identity not in owned or account.id in stack.may_lose_objects:
                continue
            # Talkdesk's simulated clock is not ours, so the time of an uninstall is not compared with the deletion's.
            if not ended:
                yield f"I2: {identity} was deleted without an uninstall"
            elif owned[identity] == "Retain" and not any(due <= call.at for due in purges):
                yield f"I2: {identity} was deleted before its retention ended"


def _object_of(path: str) -> tuple[str, str, str] | None:
    match path.split("/"):
        case ["", "api", "v1", "namespaces", name]:
            return "Namespace", "", name
        case ["", "api", "v1", "namespaces", namespace, plural, name] if plural in _PLURAL:
            return _PLURAL[plural], namespace, name
        case _:
            return None


def _unanswered(stack: Stack) -> Iterator[str]:
    for installation in stack.simulator.state.installations.values():
        if installation.account_id not in stack.may_stay_unanswered and installation.state in {
            *PENDING,
            InstallationState.TIMEOUT,
        }:
            yield f"I3: Talkdesk has installation {installation.id} as {installation.state}"


def secrets_of(stack: Stack) -> set[bytes]:
    """Return every secret that Talkdesk has given out."""
    secrets = set(stack.simulator.tokens._grants)
    for installation in stack.simulator.state.installations.values():
        for issued in installation.credentials:
            secrets.add(issued.secret)
            encoded = issued.key.encode_private("pkcs8", "none")
            # The PEM text may be split into lines or escaped; so also look for a part from the middle of the key.
            secrets |= {encoded, encoded[60:100]}
    return {secret.encode() for secret in secrets}


async def _readable_texts(platform: Platform) -> list[tuple[str, bytes]]:
    logs = [("a log", bytes(log)) for log in platform.logs]
    metrics = [(f"the metrics of the {name}", (await platform.fetch(name, "/metrics"))[1]) for name in PROGRAMS]
    events = resource_path("events.k8s.io", "v1", "events", platform.namespace)
    paths = [events, *(resource_path(GROUP, VERSION, plural, platform.namespace) for plural in PLURALS.values())]
    objects = [(path, str(await platform.kube.request("GET", path))) for path in paths]
    return [*logs, *((where, text.encode()) for where, text in (*metrics, *objects))]


async def places_of(secrets: Iterable[bytes], texts: Sequence[tuple[str, bytes]]) -> list[str]:
    """Return where a secret is. It leaves the event loop to others meanwhile."""
    known = tuple(secrets)
    return await asyncio.to_thread(lambda: [where for where, text in texts if any(secret in text for secret in known)])
