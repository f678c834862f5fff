"""Leader election: one operator works, the others stand by.

The official client's election loop decides. What it needs from outside is here, because as it comes it

* ends at the first lost connection, because it knows only errors that have an HTTP status,
* sends requests without a time limit, so that a request that hangs outlives the leadership,
* writes local time with a Z behind it, and
* never gives the Lease back.

So the lock is made of our own requests, `lost` returns when the Lease was not renewed in time, and `release` empties
the Lease for the next candidate. A process that loses the Lease ends, like Kubernetes' own controllers: a fresh start
is the one state that is surely right, and after the pod's restart it is a candidate again.

The election retries at a fixed period that the client's loop has; there is no back-off of ours in it.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock
from typing_extensions import override

from talkdesk_operator.observability.heartbeat import LEASES
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound

__all__ = ["ElectionTimes", "KubeRequests", "Leadership"]


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
    """A leader that could not renew for so long stops; it has the difference to `lease_duration` for that."""
    retry_period: float = 2
    """Between two attempts to take or renew the Lease."""
    request_timeout: float = 4
    """Of one request."""


class Leadership:
    """One candidate. Use each once."""

    def __init__(
        self,
        kube: KubeRequests,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        times: ElectionTimes | None = None,
    ) -> None:
        self._times = times or ElectionTimes()
        self._clock = clock
        self._lock = _LeaseLock(kube, namespace, name, identity, self._times, clock)
        self._acquired = asyncio.Event()
        self._election: asyncio.Task[None] | None = None
        self._log = structlog.stdlib.get_logger(__name__)

    async def acquire(self) -> None:
        """Wait until we are the leader."""
        self._log.info("leader.candidate", identity=self._lock.identity)
        config = Config(
            self._lock,
            self._times.lease_duration,
            self._times.renew_deadline,
            self._times.retry_period,
            onstarted_leading=self._started,
            onstopped_leading=self._stopped,
        )
        self._election = asyncio.create_task(LeaderElection(config).run(), name="leader election")
        acquired = asyncio.create_task(self._acquired.wait(), name="leader election's success")
        try:
            await asyncio.wait((self._election, acquired), return_when=asyncio.FIRST_COMPLETED)
        finally:
            acquired.cancel()
        if self._election.done():
            await self._election

    async def lost(self) -> None:
        """Wait until we are no longer the leader. Raises what ended the election, if it was an error."""
        while (
            not self._ended()
            and (left := self._lock.renewed + self._times.renew_deadline - self._clock.monotonic()) > 0
        ):
            await asyncio.wait((self._running(),), timeout=left)
        if self._ended():
            await self._running()

    async def release(self) -> None:
        """End the candidacy; give the Lease back, if we have it, so that the next candidate can start at once."""
        if self._election is not None:
            self._election.cancel()
            await asyncio.gather(self._election, return_exceptions=True)
        if self._acquired.is_set() and await self._lock.give_back():
            self._log.info("leader.released")

    def _running(self) -> asyncio.Task[None]:
        if self._election is None:
            raise RuntimeError("acquire comes first")
        return self._election

    def _ended(self) -> bool:
        return self._running().done()

    async def _started(self) -> None:
        self._log.info("leader.acquired", identity=self._lock.identity)
        self._acquired.set()

    async def _stopped(self) -> None:
        self._log.warning("leader.lost")


class _LeaseLock(BaseLock):
    """A Lease, by our own requests. The client keeps who holds it, and since when it has seen that."""

    def __init__(
        self,
        kube: KubeRequests,
        namespace: str,
        name: str,
        identity: str,
        times: ElectionTimes,
        clock: Clock,
    ) -> None:
        super().__init__(name, namespace, identity)
        self._kube = kube
        self._times = times
        self._clock = clock
        self._lease: dict[str, Any] = {}
        self._log = structlog.stdlib.get_logger(__name__)
        self.renewed = clock.monotonic()
        """When the last request was sent that renewed the Lease."""

    @override
    async def get(
        self, name: str, namespace: str
    ) -> tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]:
        try:
            self._lease = await self._request("GET", name)
        except KubeNotFound:
            return False, _not_found()
        except KubeError as error:
            return False, ApiException(status=0, reason=str(error))
        spec = self._lease.get("spec") or {}
        duration, acquired, renewed = (
            spec.get(field) for field in ("leaseDurationSeconds", "acquireTime", "renewTime")
        )
        return True, LeaderElectionRecord(spec.get("holderIdentity") or None, str(duration or 0), acquired, renewed)

    @override
    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        self._lease = {**head, "metadata": {"name": name, "namespace": namespace}}
        return await self._write("POST", "", self.identity)

    @override
    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        return await self._write("PUT", name, self.identity)

    async def give_back(self) -> bool:
        """Empty the Lease; return False when somebody else has it, or when that can't be done now."""
        found, record = await self.get(self.name, self.namespace)
        ours = found and isinstance(record, LeaderElectionRecord) and record.holder_identity == self.identity
        return ours and await self._write("PUT", self.name, "")

    async def _write(self, method: str, name: str, holder: str) -> bool:
        sent = self._clock.monotonic()
        try:
            # The resourceVersion goes along: of two candidates that read the same Lease, one gets a conflict.
            self._lease = await self._request(method, name, {**self._lease, "spec": self._spec(holder)})
        except KubeError as error:
            self._log.warning("leader.write_failed", reason=str(error))
            return False
        self.renewed = sent
        return True

    def _spec(self, holder: str) -> dict[str, Any]:
        old = self._lease.get("spec") or {}
        now = self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        changes = old.get("holderIdentity", "") != holder
        return {
            **old,
            "holderIdentity": holder,
            "leaseDurationSeconds": round(self._times.lease_duration) if holder else 1,
            "acquireTime": now if changes else old.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if holder and changes and old else 0),
        }

    async def _request(self, method: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        path = resource_path(*LEASES, self.namespace, name)
        try:
            async with asyncio.timeout(self._times.request_timeout):
                return await self._kube.request(method, path, body=body)
        except TimeoutError:
            raise _NoAnswer("the API server did not answer in time") from None


class _NoAnswer(KubeError):
    """The API server did not answer within the time limit."""


def _not_found() -> ApiException:
    error = ApiException(status=404, reason="Not Found")
    error.body = json.dumps({"code": 404})
    return error
