"""The rules of the protocol: repeats, one thing at a time, generations, and operations that take time.

Belongs here: which request is carried out when, and its answer. Does not belong here: HTTP, and the work itself.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from talkdesk_sandbox.hook.partner import Made, Partner, PartnerFailed
from talkdesk_sandbox.hook.records import Answered, Operation, Records, Tenant

__all__ = ["Answer", "Change", "Service"]


@dataclass(frozen=True)
class Change:
    """A PUT or a DELETE, whose signature is right."""

    method: str
    tenant: str
    key: str
    """The idempotency key: the same request has the same one."""
    body: Mapping[str, Any]
    raw: bytes = field(repr=False)

    @property
    def generation(self) -> int:
        """The generation of the inputs, which grows; 0 where the step's own body has none."""
        found = self.body.get("generation")
        return found if isinstance(found, int) else 0


@dataclass(frozen=True)
class Answer:
    """A status of HTTP and a JSON object."""

    status: int
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)
    wait: int = 0
    """Seconds for Retry-After; 0 is none."""


_BUSY: Final = {"error": "ConcurrencyError", "description": "another request for this tenant is under way"}


class Service:
    """Calls `partner` once for each change.

    With `seconds`, a change is answered by 202 and takes that long; without, the answer says that it is done.
    """

    def __init__(
        self,
        records: Records,
        partner: Partner,
        *,
        seconds: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._partner = partner
        self._seconds = seconds
        self._clock = clock

    def change(self, change: Change) -> Answer:
        """Carry out a change once, however often it is sent. Raises PartnerFailed, after which it may be sent again."""
        self._end_due(change.tenant)
        with self._records.transaction() as session:
            known = session.get(Answered, change.key)
            if known is not None:
                return _same_again(known, change)
            running = session.get(Operation, change.tenant)
            if running is not None and running.problem is None:
                return Answer(409, _BUSY, wait=1)
            refused = _refusal(session.get(Tenant, change.tenant), change)
            if refused is not None:
                return refused
            # On record before the work begins: whoever comes next sees that somebody is at it.
            operation = self._begin(session, change)
            if operation.due is not None:
                return _remember(session, change, Answer(202, {"operation": change.key}, wait=int(self._seconds or 0)))
            had = _had(session, change.tenant)
        return self._carry_out(change, had)

    def last_operation(self, tenant: str) -> Answer:
        """Return how far it is with the tenant."""
        self._end_due(tenant)
        with self._records.transaction() as session:
            operation = session.get(Operation, tenant)
            if operation is not None and operation.problem is None:
                return Answer(200, {"state": "in progress"}, wait=int((operation.due or 0) - self._clock()))
            if operation is not None:
                return Answer(200, {"state": "failed", "description": operation.problem})
            found = session.get(Tenant, tenant)
            if found is None:
                return Answer(410, {"description": "there is no such tenant"})
            return Answer(200, {"state": "succeeded", "outputs": found.outputs, "secrets": found.secrets})

    def _begin(self, session: Session, change: Change) -> Operation:
        due = None if self._seconds is None else self._clock() + self._seconds
        return session.merge(
            Operation(
                tenant=change.tenant,
                key=change.key,
                method=change.method,
                body=dict(change.body),
                due=due,
                problem=None,
            )
        )

    def _carry_out(self, change: Change, had: Made | None) -> Answer:
        """Do the work while the request waits."""
        try:
            made = self._work(change, had)
        except BaseException:
            with self._records.transaction() as session:
                session.delete(session.get_one(Operation, change.tenant))
            raise
        with self._records.transaction() as session:
            self._write(session, change, made)
            return _remember(session, change, Answer(200, {"outputs": made.outputs, "secrets": made.secrets}))

    def _end_due(self, tenant: str) -> None:
        """End an operation whose time is over.

        YOUR CODE: a worker of yours does the work in the meantime, and writes this when it is done.
        """
        with self._records.transaction() as session:
            operation = session.get(Operation, tenant)
            if operation is None or operation.problem is not None:
                return
            if operation.due is None or operation.due > self._clock():
                return
            change = Change(operation.method, tenant, operation.key, operation.body, b"")
            try:
                made = self._work(change, _had(session, tenant))
            except PartnerFailed as failure:
                operation.problem = str(failure)
            else:
                self._write(session, change, made)

    def _work(self, change: Change, had: Made | None) -> Made:
        if change.method == "DELETE":
            self._partner.remove(change.tenant)
            return Made()
        return self._partner.apply(change.tenant, change.body, had)

    def _write(self, session: Session, change: Change, made: Made) -> None:
        session.delete(session.get_one(Operation, change.tenant))
        if change.method == "DELETE":
            self._records.forget(session, change.tenant)
            return
        session.merge(
            Tenant(
                id=change.tenant,
                state=change.body["state"],
                generation=change.generation,
                body=dict(change.body),
                outputs=dict(made.outputs),
                secrets=dict(made.secrets),
            )
        )


def _had(session: Session, tenant: str) -> Made | None:
    found = session.get(Tenant, tenant)
    return None if found is None else Made(found.outputs, found.secrets)


def _refusal(found: Tenant | None, change: Change) -> Answer | None:
    """Return the answer to what needs no work."""
    if found is None:
        return Answer(410, {"description": "there is no such tenant"}) if change.method == "DELETE" else None
    if change.generation < found.generation:
        return Answer(409, {"description": f"generation {found.generation} was here before"})
    return None


def _remember(session: Session, change: Change, answer: Answer) -> Answer:
    session.add(
        Answered(
            key=change.key,
            tenant=change.tenant,
            method=change.method,
            digest=_digest(change),
            status=answer.status,
            content=dict(answer.content),
        )
    )
    return answer


def _same_again(known: Answered, change: Change) -> Answer:
    if (known.tenant, known.method, known.digest) != (change.tenant, change.method, _digest(change)):
        return Answer(422, {"description": "this key was another request's"})
    return Answer(known.status, known.content)


def _digest(change: Change) -> str:
    return hashlib.sha256(change.raw).hexdigest()
