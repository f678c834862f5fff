"""A Lease of the API server as one candidate sees it, and its requests for it.

Belongs here: what is known of it and since when, and how it is written. Does not belong here: when to ask for it
(`leader_election`).
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from talkdesk_crds.names import ANNOTATION_VERSIONS, ANNOTATION_WANTED_BY
from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeAlreadyExists, KubeConflict, KubeError, KubeNotFound

__all__ = ["ElectionTimes", "KubeRequests", "Lease", "holder_of"]


_LONGEST: Final = 40
"""Of an object's version, which is a number of 64 bits. Python reads no number of thousands of digits."""


class KubeRequests(Protocol):
    """The part of Kube that is needed here."""

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]:
        """Make one request; raise a KubeError."""
        ...


@dataclass(frozen=True, slots=True)
class ElectionTimes:
    """Seconds; the defaults are those of Kubernetes' own controllers."""

    lease_duration: float = 15
    """A Lease that was not renewed for so long may be taken by another. In whole seconds."""
    renew_deadline: float = 10
    """A leader that could not renew for so long stops; what it has sent by then has the difference to
    `lease_duration` to arrive."""
    retry_period: float = 2
    """Between two renewals, and between two looks of a candidate that nobody tells of the Lease's changes."""
    request_timeout: float = 4
    """Of one request."""


class Lease:
    """A Lease as it was last seen, and requests for it."""

    def __init__(
        self,
        kube: KubeRequests,
        namespace: str,
        name: str,
        identity: str,
        times: ElectionTimes,
        clock: Clock,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self.name = name
        self._times = times
        self._clock = clock
        self._known: dict[str, Any] | None = None
        self._looked: float | None = None
        self._changed = 0.0
        self._is_unanswered = False
        self._log = structlog.stdlib.get_logger(__name__).bind(lease=name)
        self.identity = identity
        self.renewed = clock.monotonic()
        """When the last request was sent that renewed the Lease for us."""

    def observe(self, lease: Mapping[str, Any]) -> bool:
        """Take a newer version of it; return whether it tells us anything: a change by somebody else."""
        if not _newer(lease, self._known):
            return False
        self._see(dict(lease))
        return self.holder != self.identity

    def is_known_since(self, seconds: float) -> bool:
        """Return whether it was looked at within so many seconds."""
        return self._looked is not None and self._clock.monotonic() - self._looked < seconds

    def expires_in(self) -> float:
        """Return the seconds after which it may be taken from its holder, unless that one renews it."""
        duration = float(self._spec().get("leaseDurationSeconds") or 0)
        return self._changed + duration - self._clock.monotonic()

    def may_be_taken(self) -> bool:
        """Return whether nobody has it, or it is ours, or it has expired."""
        return self.holder in ("", self.identity) or self.expires_in() <= 0

    def is_ours(self) -> bool:
        """Return whether it was ours when it was last seen."""
        return self.holder == self.identity

    def may_be_ours(self) -> bool:
        """Return whether it was ours when it was last seen, or may be since: a write was not answered."""
        return self.is_ours() or self._is_unanswered

    def known(self) -> Mapping[str, Any] | None:
        """Return it as it was last seen; None where there was none, or nobody has looked."""
        return self._known

    @property
    def holder(self) -> str:
        """Who had it when it was last seen; empty for nobody."""
        return holder_of(self._known)

    @property
    def wanted_by(self) -> str:
        """Who asks its holder for it; empty for nobody."""
        return str(_annotations(self._known).get(ANNOTATION_WANTED_BY) or "")

    def note(self) -> dict[str, str]:
        """Return what its last holder noted when it gave it back."""
        if self._known is None or self.holder:
            return {}
        text = _annotations(self._known).get(ANNOTATION_VERSIONS)
        try:
            note = json.loads(text or "{}")
        except (ValueError, RecursionError):
            return {}
        # Anybody who may write Leases may have written anything.
        versions = note.items() if isinstance(note, dict) else ()
        return {kind: version for kind, version in versions if isinstance(version, str) and len(version) <= _LONGEST}

    async def read(self) -> bool:
        """Look at it; return whether that worked."""
        try:
            lease: dict[str, Any] | None = await self._request("GET", self.name)
        except KubeNotFound:
            lease = None
        except KubeError as error:
            self._log.warning("leader.read_failed", reason=str(error))
            return False
        if lease is None or self._known is None or _version(lease) != _version(self._known):
            self._see(lease)
        self._looked = self._clock.monotonic()
        return True

    async def take(self, annotations: Mapping[str, str | None] | None = None) -> bool:
        """Make it ours, or renew it; return whether that worked. Annotations that are None are removed."""
        asked = {} if self.is_ours() else {ANNOTATION_WANTED_BY: None}
        return await self._write(self.identity, {ANNOTATION_VERSIONS: None, **asked, **(annotations or {})})

    async def ask(self) -> bool:
        """Ask its holder for it; return whether that worked."""
        if self._known is None:
            return False
        metadata = {**self._known["metadata"], "annotations": {**_annotations(self._known)}}
        metadata["annotations"][ANNOTATION_WANTED_BY] = self.identity
        return await self._send("PUT", self.name, {**self._known, "metadata": metadata})

    async def give_back(self, versions: Mapping[str, str]) -> bool:
        """Empty it; return False when somebody else has it, or when that can't be done now."""
        note = {ANNOTATION_VERSIONS: json.dumps(dict(versions), sort_keys=True)}
        if self.is_ours() and await self._write("", note):
            return True
        # A renewal that was broken off may have made a version of it that was not seen.
        return await self.read() and self.is_ours() and await self._write("", note)

    async def _write(self, holder: str, annotations: Mapping[str, str | None]) -> bool:
        sent = self._clock.monotonic()
        method, name = ("POST", "") if self._known is None else ("PUT", self.name)
        if not await self._send(method, name, self._body(holder, annotations)):
            return False
        self.renewed = sent
        return True

    async def _send(self, method: str, name: str, body: dict[str, Any]) -> bool:
        self._is_unanswered = True  # also when this is cancelled
        try:
            # The resourceVersion goes along: of two candidates that read the same Lease, one gets a conflict.
            self._see(await self._request(method, name, body))
        except KubeError as error:
            self._looked = None
            self._is_unanswered = not isinstance(error, KubeConflict | KubeAlreadyExists)
            if self._is_unanswered:
                self._log.warning("leader.write_failed", reason=str(error))
            return False
        self._is_unanswered = False
        return True

    def _body(self, holder: str, changes: Mapping[str, str | None]) -> dict[str, Any]:
        known = self._known or {}
        metadata = {**known.get("metadata", {}), "name": self.name, "namespace": self._namespace}
        metadata.pop("managedFields", None)
        annotations = {**_annotations(self._known), **changes}
        metadata["annotations"] = {key: value for key, value in annotations.items() if value is not None}
        head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return {**head, "metadata": metadata, "spec": self._next_spec(holder)}

    def _next_spec(self, holder: str) -> dict[str, Any]:
        old = self._spec()
        now = self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        changes = (old.get("holderIdentity") or "") != holder
        return {
            **old,
            "holderIdentity": holder,
            "leaseDurationSeconds": round(self._times.lease_duration) if holder else 1,
            "acquireTime": now if changes else old.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if holder and changes and old else 0),
        }

    def _see(self, lease: dict[str, Any] | None) -> None:
        now = self._clock.monotonic()
        if not _only_asked(self._known, lease):
            self._changed = now
        self._known, self._looked = lease, now

    def _spec(self) -> dict[str, Any]:
        return dict((self._known or {}).get("spec") or {})

    async def _request(self, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        path = resource_path(*LEASES, self._namespace, name)
        try:
            async with asyncio.timeout(self._times.request_timeout):
                return await self._kube.request(method, path, body=body)
        except TimeoutError:
            raise _NoAnswer("the API server did not answer in time") from None


class _NoAnswer(KubeError):
    """The API server did not answer within the time limit."""


def holder_of(lease: Mapping[str, Any] | None) -> str:
    """Return who has a Lease; empty for nobody."""
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _annotations(lease: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict((lease or {}).get("metadata", {}).get("annotations") or {})


def _only_asked(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> bool:
    """Return whether somebody asked for the Lease in between, which is no sign of life of its holder."""
    one, other = (_annotations(lease).get(ANNOTATION_WANTED_BY) for lease in (before, now))
    return one != other and before is not None and now is not None and before.get("spec") == now.get("spec")


def _version(lease: Mapping[str, Any]) -> str:
    return str(lease["metadata"].get("resourceVersion") or "")


def _newer(lease: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Return whether it is a later version than the known one; versions that are no numbers can't say."""
    if known is None:
        return True
    one, other = _version(lease), _version(known)
    return one.isdecimal() and other.isdecimal() and int(one) > int(other)
