"""The API server of the model: the one in memory, with the registers' own rules, over objects that are shared.

Its rules are those of the generated CRDs, evaluated as CEL: the last writer by event time wins. Objects are immutable:
a fork costs a few small copies, and what two states have in common they share.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import cel
import orjson
from typing_extensions import override

from builders.api_server import ApiServer, Place, Request, _line, _refusal
from builders.object_patches import Leaf
from talkdesk_crds import KINDS
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationSpec
from talkdesk_crds.order import CREDENTIALS, REQUEST, TRIAL
from talkdesk_crds.tenant import TenantSpec
from talkdesk_runtime.kube_errors import KubeError

__all__ = ["OURS", "Cluster", "ModelServer", "Raw", "Stored"]

Raw = Mapping[str, Any]
OURS = frozenset(kind.INFO.plural for kind in KINDS)
_REGISTERS = {"request": REQUEST, "trial": TRIAL, "credentials": CREDENTIALS}
_SPECS = {
    "talkdeskinstallations": InstallationSpec.model_config["json_schema_extra"],
    "talkdesktenants": TenantSpec.model_config["json_schema_extra"],
}


class Stored(dict[str, Any]):
    """One version of an object, which nobody changes."""

    _canonical: bytes = b""

    @property
    def canonical(self) -> bytes:
        """The object in a short form that equal ones have in common: no version, nothing that is for people alone."""
        if not self._canonical:
            text = orjson.dumps(_for_machines(self), option=orjson.OPT_SORT_KEYS)
            self._canonical = hashlib.blake2b(text, digest_size=16).digest()
        return self._canonical


def _for_machines(raw: Raw) -> dict[str, Any]:
    """Return an object without its version, and without what no decision reads: messages, the history."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "resourceVersion"}
    status = raw.get("status")
    if status is None:
        return {**raw, "metadata": metadata}
    # Of an installation nobody asks since when a condition is so; of a tenant's it is the begin of a wait.
    left_out = {"message", "lastTransitionTime"} if raw["kind"] == "TalkdeskInstallation" else {"message"}
    conditions = [
        {name: value for name, value in each.items() if name not in left_out} for each in status.get("conditions", ())
    ]
    return {**raw, "metadata": metadata, "status": {**status, "conditions": conditions, "history": None}}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the API server holds."""

    objects: Mapping[Place, Stored]
    managers: Mapping[Place, Mapping[Leaf, str]]
    made: Mapping[Place, int]
    version: int


class ModelServer(ApiServer):
    """Lets `effect` decide what becomes of each request: it gets the line of the request, and what carries it out."""

    def __init__(
        self, cluster: Cluster, effect: Callable[[str, Callable[[], Any]], Any], now: Callable[[], datetime]
    ) -> None:
        super().__init__()
        self._objects = dict(cluster.objects)
        self._managers = {place: dict(owners) for place, owners in cluster.managers.items()}
        self._made, self._version = dict(cluster.made), cluster.version
        self._effect, self._now = effect, now
        self.admit = _admitted
        self.deleted: Callable[[Place, Raw], None] = lambda *_: None
        """Is told of each object that a request deletes."""
        self.reported: Callable[[Raw], None] = lambda _: None
        """Is told of each Event."""

    @property
    def cluster(self) -> Cluster:
        """What it holds now."""
        return Cluster(cast("dict[Place, Stored]", self._objects), self._managers, self._made, self._version)

    def cluster_now(self) -> Cluster:
        """Return what it holds now, as it will stay."""
        managers = {place: dict(owners) for place, owners in self._managers.items()}
        return Cluster(cast("dict[Place, Stored]", dict(self._objects)), managers, dict(self._made), self._version)

    def at(self, place: Place) -> dict[str, Any] | None:
        """Return an object, not to be changed."""
        return self._objects.get(place)

    def of(self, plural: str) -> list[tuple[Place, dict[str, Any]]]:
        """Return the objects of a kind, not to be changed."""
        return [(place, raw) for place, raw in self._objects.items() if place[0] == plural]

    @override
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
        request = Request(method, path, body, content_type, accept, query or {}, as_user)
        found: dict[str, Any] = self._effect(_line(request), lambda: self._answer(request))
        return found

    @override
    def _store(self, place: Place, raw: dict[str, Any]) -> dict[str, Any]:
        if place[0] == "events":
            self.reported(raw)
            return raw  # nobody reads them again
        if "creationTimestamp" not in raw["metadata"]:
            raw = raw | {"metadata": raw["metadata"] | {"creationTimestamp": to_wire_time(self._now())}}
        stored = super()._store(place, raw)
        if isinstance(stored, Stored):
            return stored
        stored = Stored(stored)
        if place in self._objects:
            self._objects[place] = stored
        return stored

    @override
    def _delete(self, place: Place, known: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        answer = super()._delete(place, known, body)
        self.deleted(place, known)
        return answer

    @override
    def _check_schema(self, place: Place, raw: dict[str, Any]) -> None:
        """Believe that it fits: the unit tests check it on the same server."""


def _admitted(place: Place, known: Raw, changed: Raw) -> KubeError | None:
    """Return the refusal of a change that the kind's rules forbid."""
    if place[0] not in _SPECS or known.get("spec") is changed.get("spec"):
        return None
    before, after = known["spec"], changed["spec"]
    fields = [
        f"spec.{name}"
        for name, rules in _REGISTERS.items()
        if name in before and name in after and not _holds(rules, before[name], after[name])
    ]
    if not fields and not _holds(_SPECS[place[0]], before, after):
        fields = ["spec"]
    causes = [{"field": field, "reason": "FieldValueInvalid"} for field in fields]
    return _refusal(422, "Invalid", f"{place[0]} is invalid: {fields}", causes=causes) if fields else None


def _holds(rules: Any, before: Raw, after: Raw) -> bool:
    if before == after:
        return True
    expressions = tuple(each["rule"] for each in rules["x-kubernetes-validations"])
    return _evaluated(expressions, orjson.dumps(before), orjson.dumps(after))


@lru_cache(maxsize=100_000)
def _evaluated(expressions: tuple[str, ...], before: bytes, after: bytes) -> bool:
    names = {"self": _typed(orjson.loads(after)), "oldSelf": _typed(orjson.loads(before))}
    return all(cel.compile(expression).execute(names) for expression in expressions)


def _typed(value: Any) -> Any:
    """Return JSON with the moments that the schema knows as such."""
    if isinstance(value, dict):
        return {name: _moment(member) if name.endswith("Time") else _typed(member) for name, member in value.items()}
    return value


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
