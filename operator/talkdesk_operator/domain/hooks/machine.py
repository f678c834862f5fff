"""What is sent to a partner's service next, by the record and by what the tenant should have there; pure.

    nothing ──PUT──▶ maybe there ──200──▶ there ──PUT──▶ there, changed
       ▲                │ no answer to the first PUT, or 201 that can't be read, …
       └──── DELETE ◀───┴────────── DELETE ◀── there

Belongs here: the order of requests. Does not belong here: what a response means (`protocol`), sending.

Rules: one thing at a time is asked of a service for a tenant. What is sent again is the same request under the same
key; anything else gets the next generation. A deletion that was begun is brought to its end before the tenant is
provisioned again. What nobody confirmed is deleted first, if it is certain that it was not there before. A service is
told once that the customer has left, whatever becomes of the facts, and only if it may have something.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from talkdesk_operator.domain.hooks.protocol import Act, Done, Failed, InProgress, Later, Refused, Verdict
from talkdesk_operator.domain.hooks.record import Existence, HookEntry, Result

__all__ = ["Call", "Settled", "Wanted", "begun", "next_call", "settled"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the service should have of the tenant."""

    inputs: str
    """Fingerprint; empty where it should have nothing."""
    leaves: bool = False
    """Whether it is only to be told that the customer has left, and to keep what it has."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be sent."""

    act: Act
    poll: bool
    """Whether only `last_operation` is asked for."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is to be sent: all is as wanted, or the service does not want it."""

    problem: str = ""
    """Why it is not as wanted."""


Next: TypeAlias = Call | Settled


def next_call(entry: HookEntry, wanted: Wanted, *, again: bool) -> Next:
    """Return what is to be sent; what was refused is sent once more if `again`."""
    if not wanted.inputs:
        return _towards_nothing(entry, again=again)
    if entry.act is Act.DELETE and entry.exists is not Existence.NO:
        return _towards_nothing(entry, again=again)
    if wanted.leaves and (entry.exists is Existence.NO or (entry.left and entry.result is Result.DONE)):
        return Settled()
    if entry.inputs != wanted.inputs:
        return Call(_put(entry), poll=False)
    if entry.result is Result.DONE:
        return Settled()
    if entry.result is Result.REFUSED and not again:
        return Settled(entry.message)
    return Call(_put(entry), poll=entry.polled_since is not None)


def _towards_nothing(entry: HookEntry, *, again: bool) -> Next:
    if entry.exists is Existence.NO:
        return Settled()
    if entry.act is Act.DELETE and entry.result is Result.REFUSED and not again:
        return Settled(entry.message)
    return Call(Act.DELETE, poll=entry.act is Act.DELETE and entry.polled_since is not None)


def _put(entry: HookEntry) -> Act:
    """Return whether a PUT makes something new at the service, as far as can be known."""
    return Act.UPDATE if entry.exists is Existence.YES or not entry.novel else Act.PROVISION


def begun(entry: HookEntry, call: Call, wanted: Wanted) -> HookEntry:
    """Return the entry as it has to be on record before the call is sent."""
    if call.poll:
        return entry
    inputs = wanted.inputs if call.act is not Act.DELETE else ""
    if (entry.act is Act.DELETE) != (call.act is Act.DELETE) or entry.inputs != inputs or entry.act is None:
        entry = replace(entry, generation=entry.generation + 1, inputs=inputs, message="")
    exists = Existence.MAYBE if entry.exists is Existence.NO else entry.exists
    asked = replace(entry, act=call.act, left=wanted.leaves, exists=exists, message="")
    return replace(asked, result=Result.PENDING, polled_since=None, operation=None)


def settled(before: HookEntry, entry: HookEntry, verdict: Verdict, now: datetime, *, limit: timedelta) -> HookEntry:
    """Return the entry after a call.

    `before` is the entry as it was before `begun`, `limit` for how long the service may be at something.
    """
    resting, since = replace(entry, polled_since=None, operation=None), entry.polled_since
    match verdict:
        case Done() if entry.act is Act.DELETE:
            # What follows is the first PUT for a tenant that the service does not have.
            gone = replace(resting, exists=Existence.NO, novel=True, inputs="", outputs={}, secrets={})
            return replace(gone, result=Result.DONE)
        case Done(outputs=outputs, secrets=secrets):
            return replace(resting, exists=Existence.YES, result=Result.DONE, outputs=outputs, secrets=secrets)
        case InProgress() | Later(unknown=False) if since is not None and now - since >= limit:
            return _failed(resting, "it was not done in time", orphan=True)
        case InProgress(operation=operation):
            return replace(entry, polled_since=since or now, operation=operation or entry.operation)
        case Later(unknown=True):
            return resting
        case Later():
            return entry if since is not None else replace(entry, exists=before.exists)
        case Refused(message=message):
            return replace(resting, exists=before.exists, result=Result.REFUSED, message=message)
        case Failed(message=message, orphan=orphan):
            return _failed(resting, message, orphan=orphan)
        case _:
            assert_never(verdict)


def _failed(entry: HookEntry, message: str, *, orphan: bool) -> HookEntry:
    """Return the entry after a failure; what may be left of a first provisioning is to be deleted then.

    Whatever is asked for next is another request: of the same one, the service would remember the outcome.
    """
    failed = replace(entry, result=Result.FAILED, message=message, inputs="")
    if orphan and entry.act is Act.PROVISION and entry.novel:
        return replace(failed, act=Act.DELETE, generation=entry.generation + 1)
    return failed
