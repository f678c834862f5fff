"""What there is in a place, without what moves by itself: times, versions, counters.

A look is flat, a text for each path, so that two of them can be compared and the difference be read.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from builders.stack import APP, INSTALLATION, PLURALS, TENANT, Customer, Stack
from builders.watched import Object
from fields.place import Place
from talkdesk_crds.names import ANNOTATION_RECONCILE, GROUP, LABEL_TENANT, VERSION
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeNotFound

__all__ = ["Look", "differences", "look", "look_at_app", "versions"]

Look: TypeAlias = dict[str, str]

_METADATA: Final = ("name", "uid", "labels", "annotations", "finalizers", "deletionTimestamp")
_MOVES: Final = frozenset(
    {"tenants", "observedGeneration", "lastHandledReconcileAt", "history", "events", "retry", "notifications"}
)
"""Members of a status that say when or how often, and no more."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
_REGISTERS: Final = ("request", "trial", "credentials")


async def look(place: Place, customers: Mapping[str, Customer]) -> Look:
    """Read the app and everything of these customers from the API server, Talkdesk and the SCIM service."""
    parts = [await look_at_app(place.talkdesk)]
    for whose, customer in customers.items():
        parts += [
            {f"{whose}: {at}": text for at, text in part.items()}
            for part in await asyncio.gather(
                _ours(customer, INSTALLATION), _ours(customer, TENANT), _objects(customer), _secrets(customer)
            )
        ]
        at_talkdesk = customer.at_talkdesk
        parts.append({f"{whose}: Talkdesk": f"{at_talkdesk.state}, {len(at_talkdesk.answers)} answers"})
        active = {user["externalId"] for user in place.scim.users() if user.get("active")}
        here = len(active & set(at_talkdesk.users))
        parts.append({f"{whose}: SCIM": f"{here} of {len(at_talkdesk.users)} users are active"})
    return {at: text for part in parts for at, text in part.items()}


async def look_at_app(talkdesk: Stack) -> Look:
    """Read the app, but for what becomes of deliveries."""
    path = resource_path(GROUP, VERSION, PLURALS[APP], talkdesk.namespace, talkdesk.app)
    return _of_kind(APP, await talkdesk.platform.kube.request("GET", path))


async def versions(customer: Customer) -> dict[str, str]:
    """Return uid and resourceVersion of everything of a customer's."""
    found = [await _read(customer, kind) for kind in (INSTALLATION, TENANT)]
    found += await _live(customer)
    return {
        f"{each.get('kind', 'object')} {each['metadata']['name']}": f"{each['metadata']['uid']} "
        f"{each['metadata']['resourceVersion']}"
        for each in found
        if each is not None
    }


def differences(before: Look, after: Look) -> list[str]:
    """Return a line for each path that is not as before."""
    return [
        f"{path}: {before.get(path, 'absent')} -> {after.get(path, 'absent')}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


async def _ours(customer: Customer, kind: str) -> Look:
    held = await _read(customer, kind)
    return {} if held is None else _of_kind(kind, held)


async def _read(customer: Customer, kind: str) -> Object | None:
    name = customer.name if kind == INSTALLATION else customer.tenant_name
    path = resource_path(GROUP, VERSION, PLURALS[kind], customer.stack.namespace, name)
    try:
        return await customer.stack.platform.kube.request("GET", path)
    except KubeNotFound:
        return None


def _of_kind(kind: str, held: Object) -> Look:
    metadata = {key: held["metadata"][key] for key in _METADATA if key in held["metadata"]}
    metadata["annotations"] = {
        key: text for key, text in metadata.get("annotations", {}).items() if key != ANNOTATION_RECONCILE
    }
    spec = {
        name: {key: inner for key, inner in part.items() if key != "eventTime"} if name in _REGISTERS else part
        for name, part in held["spec"].items()
    }
    status = {key: part for key, part in held.get("status", {}).items() if key not in _MOVES}
    status["conditions"] = {
        each["type"]: f"{each['status']} {each['reason']}: {each.get('message', '')}"
        for each in status.get("conditions", [])
    }
    return dict(_flat(kind, {"metadata": metadata, "spec": spec, "status": status}))


async def _objects(customer: Customer) -> Look:
    """Return the objects of the tenant; of Secrets only a digest."""
    found: Look = {}
    for each in await _live(customer):
        name = f"{each.get('kind', 'object')} {each['metadata']['name']}"
        metadata = {key: each["metadata"][key] for key in _METADATA if key in each["metadata"]}
        data = each.get("data", {})
        if each.get("kind") == "Secret":
            data = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        found |= _flat(name, {"metadata": metadata, "data": data})
    return found


async def _live(customer: Customer) -> list[Object]:
    """Return the namespace of the tenant and what of the tenant's is in it."""
    kube, namespace = customer.stack.platform.kube, await customer.live("Namespace")
    found = [] if namespace is None else [namespace | {"kind": "Namespace"}]
    for kind, plural in (("ConfigMap", "configmaps"), ("Secret", "secrets")):
        path = resource_path("", "v1", plural, customer.tenant_namespace)
        listing = await kube.request("GET", path, query={"labelSelector": LABEL_TENANT})
        found += [each | {"kind": kind} for each in listing["items"]]
    return found


async def _secrets(customer: Customer) -> Look:
    """Return which credential versions are stored."""
    stored = await customer.credential_secrets()
    return {f"credentials {each['metadata']['name']}": each["metadata"]["uid"] for each in stored}


def _flat(path: str, part: Any) -> Iterator[tuple[str, str]]:
    match part:
        case dict() if part:
            for name, inner in part.items():
                if not name.endswith("Time"):
                    yield from _flat(f"{path}.{name}", inner)
        case list() if part:
            for number, inner in enumerate(part):
                yield from _flat(f"{path}[{_label(inner) or number}]", inner)
        case str():
            yield path, _TIME.sub("<time>", part)
        case _:
            yield path, json.dumps(part)


def _label(item: Any) -> str:
    """Return what tells an object or a step from others in its list, whose order means nothing here."""
    return " ".join(filter(None, (item.get("kind"), item.get("name")))) if isinstance(item, dict) else ""
