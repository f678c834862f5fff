"""A Kubernetes API server in memory, at the port that the adapters are built on: `Kube.request`.

It does what the operator relies on: uids, versions and generations, the status as a part of its own, finalizers,
preconditions, field managers of server-side apply, label selectors. Each request is a line of its journal:
`POST talkdesktenants`, `PATCH talkdesktenants/td-1/status`, `APPLY configmaps/td-acc-1/account`. The namespace of our
own objects, `team`, is left out.
"""

import base64
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from builders.journal import Journal
from builders.label_selectors import listed
from builders.object_patches import (
    Leaf,
    PatchRefused,
    get_leaf,
    json_patch,
    leaves,
    merge_patch,
    plain_copy,
    set_leaf,
)
from builders.objects import NOON
from talkdesk_crds import KINDS
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import FIELD_MANAGER, GROUP
from talkdesk_runtime.kube import APPLY, JSON_PATCH, MERGE_PATCH, Kube
from talkdesk_runtime.kube_errors import KubeError, from_status

HOME = "team"
Place: TypeAlias = tuple[str, str, str]
"""Plural, namespace, name."""
_OURS = {kind.INFO.plural: kind for kind in KINDS}
_CLUSTER_SCOPED = frozenset({"namespaces", "clusterroles", "persistentvolumes", "clusterwidgets"})
_SERVED: dict[str, dict[str, str]] = {
    "/api/v1": {
        "Namespace": "namespaces",
        "Secret": "secrets",
        "ConfigMap": "configmaps",
        "Service": "services",
        "PersistentVolume": "persistentvolumes",
        "PersistentVolumeClaim": "persistentvolumeclaims",
    },
    "/apis/apps/v1": {
        "ControllerRevision": "controllerrevisions",
        "Deployment": "deployments",
        "StatefulSet": "statefulsets",
    },
    "/apis/batch/v1": {"Job": "jobs"},
    "/apis/example.com/v1": {"Widget": "widgets", "ClusterWidget": "clusterwidgets"},
    "/apis/rbac.authorization.k8s.io/v1": {
        "ClusterRole": "clusterroles",
        "Role": "roles",
        "RoleBinding": "rolebindings",
    },
    "/apis/widgets.example/v1": {"Widget": "widgets"},
}
_PLURALS = {kind: plural for kinds in _SERVED.values() for kind, plural in kinds.items()}


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    as_user: str | None = None


def _refusal(code: int, reason: str = "", message: str = "", **details: Any) -> KubeError:
    return from_status(code, {"reason": reason, "message": message or reason, "details": details})


class ApiServer:
    """Takes the objects that are there at first, as JSON."""

    def __init__(self, *objects: Mapping[str, Any], journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        self.requests: list[Request] = []
        self._objects: dict[Place, dict[str, Any]] = {}
        self._managers: dict[Place, dict[Leaf, str]] = {}
        self._version = 100
        self._made: dict[Place, int] = {}
        self._unchecked: set[Place] = set()
        self.served = {path: dict(kinds) for path, kinds in _SERVED.items()}
        """The kinds and their plurals by the path of their group and version; tests take some away, and add others."""
        self._forbidden: set[tuple[str, str]] = set()
        self.validate: Callable[[Mapping[str, Any]], KubeError | None] = lambda _: None
        """Judges each object that is applied; tests set it."""
        self.admit: Callable[[Place, Mapping[str, Any], Mapping[str, Any]], KubeError | None] = lambda *_: None
        """Judges each patch of an object, by what is there and what it makes of it; tests set it."""
        for raw in objects:
            self.put(raw)

    # What tests do.

    @property
    def kube(self) -> Kube:
        """The server as the adapters take it; of a connection they use nothing but `request`."""
        return cast("Kube", self)

    def fork(self, journal: Journal) -> "ApiServer":
        """Return a copy whose requests go to another journal."""
        other = ApiServer(journal=journal)
        other._objects = dict(self._objects)
        other._managers = {place: dict(owners) for place, owners in self._managers.items()}
        other._made, other._version = dict(self._made), self._version
        other.served = copy.deepcopy(self.served)
        return other

    def put(self, raw: Mapping[str, Any], *, manager: str = "somebody") -> dict[str, Any]:
        """Have an object there, as somebody else wrote it."""
        stored = copy.deepcopy(dict(raw))
        metadata = stored["metadata"]
        plural = _plural(stored["kind"])
        if plural not in _CLUSTER_SCOPED:
            metadata.setdefault("namespace", HOME)
        place = (plural, metadata.get("namespace", ""), metadata["name"])
        self._managers.setdefault(place, {}).update({leaf: manager for leaf, _ in leaves(stored)})
        return self._store(place, stored)

    def put_unchecked(self, raw: Mapping[str, Any]) -> None:
        """Have an object there that another version of the operator made, whatever is in it."""
        plural, metadata = _plural(raw["kind"]), raw["metadata"]
        place = (plural, metadata["namespace"], metadata["name"])
        self._objects[place] = copy.deepcopy(dict(raw))
        self._unchecked.add(place)

    def find(self, kind: str, name: str, namespace: str = HOME) -> dict[str, Any] | None:
        """Return a copy of an object; None when there is none."""
        plural = _plural(kind)
        return copy.deepcopy(self._objects.get((plural, "" if plural in _CLUSTER_SCOPED else namespace, name)))

    def get(self, kind: str, name: str, namespace: str = HOME) -> dict[str, Any]:
        found = self.find(kind, name, namespace)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return copies of all objects of a kind, in all namespaces."""
        return [copy.deepcopy(each) for (plural, _, _), each in self._objects.items() if plural == _plural(kind)]

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        """Copies of all objects but Events, by plural, namespace and name."""
        return {"/".join(place): copy.deepcopy(raw) for place, raw in self._objects.items() if place[0] != "events"}

    @property
    def versions(self) -> dict[Place, str]:
        """The version of each object: equal to those of before when nothing was changed."""
        return {place: raw["metadata"]["resourceVersion"] for place, raw in self._objects.items()}

    def edit(self, kind: str, name: str, changes: Mapping[str, Any], namespace: str = HOME) -> dict[str, Any]:
        """Change an object as somebody else does."""
        return self.put(merge_patch(self.get(kind, name, namespace), changes), manager="kubectl")

    def remove(self, kind: str, name: str, namespace: str = HOME) -> None:
        """Take an object away, finalizers or not."""
        plural = _plural(kind)
        self._drop((plural, "" if plural in _CLUSTER_SCOPED else namespace, name))

    def forbid(self, kind: str, method: str) -> None:
        """Refuse a method for a kind to whoever is impersonated."""
        self._forbidden.add((_plural(kind), method))

    def allow(self, kind: str, method: str) -> None:
        """Take that back."""
        self._forbidden.discard((_plural(kind), method))

    # The port.

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
        as_user: str | None = None,
    ) -> dict[str, Any]:
        request = Request(method, path, copy.deepcopy(body), content_type, accept, query or {}, as_user)
        self.requests.append(request)
        answers: list[dict[str, Any]] = []
        self.journal.effect(_line(request), lambda: answers.append(self._answer(request)))
        return copy.deepcopy(answers[0])

    async def repeat(self, request: Request) -> None:
        """Let a request come that was sent before, and was late."""
        await self.request(
            request.method,
            request.path,
            body=request.body,
            content_type=request.content_type,
            query=request.query,
            as_user=request.as_user,
        )

    def _answer(self, request: Request) -> dict[str, Any]:
        if _is_group(request.path) or _is_discovery(request.path):
            return self._discover(request.path)
        place, subresource = _parsed(request.path)
        if not self._is_served(request.path, place[0]):
            raise _refusal(404, "NotFound", "the server could not find the requested resource")
        if request.as_user is not None and (place[0], request.method) in self._forbidden:
            raise _refusal(403, "Forbidden", f"{request.as_user} cannot {request.method} {place[0]}")
        if request.method == "POST":
            return self._create(place, request)
        if not place[2]:
            return self._list(place, request)
        known = self._objects.get(place)
        if request.content_type == APPLY:
            return self._apply(place, request)
        if known is None:
            raise _refusal(404, "NotFound", f"{place[0]} {place[2]!r} not found", name=place[2])
        match request.method:
            case "GET" if place[0] in _OURS or "PartialObjectMetadata" in request.accept:
                return known
            case "GET":
                return known | {"metadata": known["metadata"] | {"managedFields": self._managed_fields(place, known)}}
            case "DELETE":
                return self._delete(place, known, request.body or {})
            case _:
                return self._patch(place, known, request, subresource)

    def _discover(self, path: str) -> dict[str, Any]:
        """Return the versions of a group, or the kinds of a version."""
        if path in self.served:
            kinds = self.served[path].items()
            found = [{"kind": kind, "name": name, "namespaced": name not in _CLUSTER_SCOPED} for kind, name in kinds]
            return {"resources": [*found, {"kind": "Scale", "name": "deployments/scale", "namespaced": True}]}
        versions = [served.rpartition("/")[2] for served in self.served if served.rpartition("/")[0] == path]
        if not versions:
            raise _refusal(404, "NotFound", f"there is no {path}")
        return {"versions": versions if path == "/api" else [{"version": each} for each in versions]}

    def _is_served(self, path: str, plural: str) -> bool:
        """Return whether a kind of tenants' objects is served under that path; our own and Events always are."""
        if plural in _OURS or plural == "events":
            return True
        parts = path.split("/")
        root = "/".join(parts[: 3 if parts[1] == "api" else 4])
        return plural in self.served.get(root, {}).values()

    def _create(self, place: Place, request: Request) -> dict[str, Any]:
        (plural, namespace, _), body = place, request.body
        name = body["metadata"]["name"]
        self._check_namespace(place)
        if "dryRun" in request.query:
            return {}
        if (plural, namespace, name) in self._objects:
            raise _refusal(409, "AlreadyExists", f"{plural} {name!r} already exists")
        stored = plain_copy(body)
        stored["metadata"]["namespace"] = namespace
        if plain := stored.pop("stringData", None):
            stored["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        return self._store((plural, namespace, name), stored)

    def _list(self, place: Place, request: Request) -> dict[str, Any]:
        fields = dict(pair.split("=", 1) for pair in request.query.get("fieldSelector", "").split(",") if pair)
        items = [
            each
            for (plural, namespace, _), each in self._objects.items()
            if plural == place[0]
            and place[1] in ("", namespace)
            and listed(each, request.query)
            and all(get_leaf(each, tuple(name.split("."))) == value for name, value in fields.items())
        ]
        version = {"resourceVersion": str(self._version)}
        if "PartialObjectMetadataList" in request.accept:
            # Such a list says null where another one says [].
            return {"metadata": version, "items": [{"metadata": each["metadata"]} for each in items] or None}
        return {"metadata": version, "items": items}

    def _patch(self, place: Place, known: dict[str, Any], request: Request, subresource: str) -> dict[str, Any]:
        try:
            if request.content_type == JSON_PATCH:
                changed = json_patch(known, request.body)
            elif request.content_type == MERGE_PATCH:
                changed = merge_patch(known, request.body)
            else:
                raise _refusal(415, "UnsupportedMediaType", request.content_type)
        except PatchRefused as error:
            raise _refusal(422, "Invalid", str(error)) from None
        if changed["metadata"].get("resourceVersion") != known["metadata"]["resourceVersion"]:
            raise _refusal(409, "Conflict", "the object has been modified")
        if changed["metadata"]["uid"] != known["metadata"]["uid"]:
            raise _refusal(422, "Invalid", "metadata.uid: field is immutable", causes=[{"field": "metadata.uid"}])
        ours = place[0] in _OURS
        if ours and subresource == "status":
            changed = known | {"status": changed["status"]}
        elif ours:
            changed.pop("status", None)
            changed |= {"status": known["status"]} if "status" in known else {}
        if (refusal := self.admit(place, known, changed)) is not None:
            raise refusal
        return self._store(place, changed)

    def _apply(self, place: Place, request: Request) -> dict[str, Any]:
        body, manager = request.body, request.query["fieldManager"]
        self._check_namespace(place)
        if (refusal := self.validate(body)) is not None:
            raise refusal
        uid, known = body["metadata"].get("uid"), self._objects.get(place)
        self._check_immutable(place, known, body)
        if "dryRun" in request.query:
            return {}
        if uid is not None and known is None:
            raise _refusal(409, "Conflict", f"uid mismatch: {uid}")
        if known is not None and uid not in {None, known["metadata"]["uid"]}:
            raise _refusal(422, "Invalid", "metadata.uid: field is immutable", causes=[{"field": "metadata.uid"}])
        version = body["metadata"].get("resourceVersion")
        if known is not None and version not in {None, known["metadata"]["resourceVersion"]}:
            raise _refusal(409, "Conflict", "the object has been modified")
        live = plain_copy(known) if known is not None else {key: body[key] for key in ("apiVersion", "kind")}
        live.setdefault("metadata", {"name": place[2]} | ({"namespace": place[1]} if place[1] else {}))
        owners, wanted = self._managers.setdefault(place, {}), dict(leaves(body))
        for leaf, value in wanted.items():
            other = owners.get(leaf, manager) != manager
            if other and get_leaf(live, leaf) != value and request.query["force"] != "true":
                raise _refusal(409, "Conflict", f"conflict with {owners[leaf]!r}: .{'.'.join(leaf)}")
        for leaf in [leaf for leaf, owner in owners.items() if owner == manager and leaf not in wanted]:
            set_leaf(live, leaf, None)
            del owners[leaf]
        for leaf, value in wanted.items():
            set_leaf(live, leaf, value)
            owners[leaf] = manager
        if place[0] == "namespaces":
            live.setdefault("status", {"phase": "Active"})
        return self._store(place, live)

    def _managed_fields(self, place: Place, known: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return who owns which fields, for a reader of the whole object."""
        entries: dict[str, dict[str, Any]] = {}
        for leaf, manager in self._managers.get(place, {}).items():
            set_leaf(entries.setdefault(manager, {}), tuple(f"f:{name}" for name in leaf), {})
        return [
            {
                "manager": manager,
                "operation": "Apply" if manager == FIELD_MANAGER else "Update",
                "apiVersion": known.get("apiVersion", ""),
                "time": to_wire_time(NOON),
                "fieldsV1": fields,
            }
            for manager, fields in entries.items()
        ]

    def _check_immutable(self, place: Place, known: dict[str, Any] | None, body: dict[str, Any]) -> None:
        """Refuse what the real one refuses of ConfigMaps, Secrets and bindings that exist."""
        if known is None or body["metadata"].get("uid") not in {None, known["metadata"]["uid"]}:
            return
        path = "data" if place[0] in {"configmaps", "secrets"} else "roleRef"
        changed = path in body and body[path] != known.get(path)
        if changed and (path == "roleRef" or known.get("immutable")):
            said = "cannot change roleRef" if path == "roleRef" else "field is immutable when `immutable` is set"
            message = f'{body["kind"]} "{place[2]}" is invalid: {path}: {said}'
            raise _refusal(422, "Invalid", message, causes=[{"field": path, "reason": "FieldValueForbidden"}])

    def _check_namespace(self, place: Place) -> None:
        if not place[1]:
            return
        namespace = self._objects.get(("namespaces", "", place[1]))
        if namespace is None and (place[1] == HOME or place[0] in {"events", *_OURS}):
            return
        if namespace is None:
            raise _refusal(404, "NotFound", f"namespaces {place[1]!r} not found", name=place[1])
        if "deletionTimestamp" in namespace["metadata"]:
            raise _refusal(403, "Forbidden", "it is being terminated", causes=[{"reason": "NamespaceTerminating"}])

    def _delete(self, place: Place, known: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        uid = body.get("preconditions", {}).get("uid", known["metadata"]["uid"])
        if uid != known["metadata"]["uid"]:
            raise _refusal(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        version = body.get("preconditions", {}).get("resourceVersion", known["metadata"]["resourceVersion"])
        if version != known["metadata"]["resourceVersion"]:
            raise _refusal(409, "Conflict", f"Precondition failed: ResourceVersion in precondition: {version}")
        if "dryRun" in body:
            return known if known["metadata"].get("finalizers") else {"kind": "Status", "status": "Success"}
        if known["metadata"].get("finalizers"):
            changed = plain_copy(known)
            if "deletionTimestamp" not in changed["metadata"]:
                changed["metadata"] |= {
                    "deletionTimestamp": to_wire_time(NOON),
                    "generation": changed["metadata"].get("generation", 0) + 1,
                }
            return self._store(place, changed)
        self._drop(place)
        return {"kind": "Status", "status": "Success"}

    def _store(self, place: Place, raw: dict[str, Any]) -> dict[str, Any]:
        """Store a new version. No version is ever changed, so that forks share what they have in common."""
        before, metadata = self._objects.get(place), dict(raw["metadata"])
        if before is not None and _content(before) == _content(raw):
            return before
        raw = raw | {"metadata": metadata}
        self._version += 1
        if before is None:
            # Each object has a uid of its own, and the same story always the same uids.
            self._made[place] = self._made.get(place, 0) + 1
            metadata.setdefault("uid", f"{place[0]}-{place[2]}-{self._made[place]}")
        metadata.setdefault("creationTimestamp", to_wire_time(NOON))
        metadata["resourceVersion"] = str(self._version)
        if before is None:
            metadata.setdefault("generation", 1)
        elif before.get("spec") != raw.get("spec"):
            metadata["generation"] = before["metadata"]["generation"] + 1
        if place[0] in _OURS and place not in self._unchecked:
            # Our kinds forbid what their schema does not know, as the API server would with strict validation.
            self._check_schema(place, raw)
        self._objects[place] = raw
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._drop(place)
        return raw

    def _check_schema(self, place: Place, raw: dict[str, Any]) -> None:
        _OURS[place[0]].model_validate(raw)

    def _drop(self, place: Place) -> None:
        self._objects.pop(place, None)
        self._managers.pop(place, None)
        if place[0] == "namespaces":
            for each in [each for each in self._objects if each[1] == place[2]]:
                self._drop(each)


def _content(raw: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in raw["metadata"].items() if key != "resourceVersion"}
    return dict(raw) | {"metadata": metadata}


def _plural(kind: str) -> str:
    return next((known.INFO.plural for known in KINDS if known.INFO.kind == kind), _PLURALS.get(kind, "events"))


def _is_group(path: str) -> bool:
    """Return whether a path names a group, without a version."""
    return path.count("/") == (2 if path.startswith("/apis/") else 1)


def _is_discovery(path: str) -> bool:
    """Return whether a path names a whole group and version."""
    return path.count("/") == (3 if path.startswith("/apis/") else 2)


def _parsed(path: str) -> tuple[Place, str]:
    """Return the place that a path names, and the part of the object."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    else:
        namespace = ""
    plural, name, subresource = (*rest, "", "")[:3]
    assert plural not in _OURS or GROUP in parts
    return (plural, namespace, name), subresource


def _line(request: Request) -> str:
    if _is_discovery(request.path) or _is_group(request.path):
        return f"GET {request.path}"
    (plural, namespace, name), subresource = _parsed(request.path)
    verb = "APPLY" if request.content_type == APPLY else request.method
    tried = "dryRun" in ((request.body or {}) if verb == "DELETE" else request.query)
    verb = "DRY-RUN" if tried else verb
    if verb == "GET" and not name:
        verb = "LIST"
    if plural == "events":
        name = request.body["reason"]
    shown = (plural, "" if namespace == HOME else namespace, name, subresource)
    return f"{verb} {'/'.join(part for part in shown if part)}"
