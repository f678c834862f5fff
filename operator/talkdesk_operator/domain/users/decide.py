"""Which users the SCIM service should have, and what is to be done about each.

Belongs here: the comparison of Talkdesk's list with what is on record. Does not belong here: the record's form
(roster.py), calls, batches, time.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import orjson

from talkdesk_crds.app import UsersOffboard
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports.scim import Deactivate, Order, Person, Put
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimPermanent, ScimTransient
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass, Scope, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import DeactivateUsers
from talkdesk_operator.domain.users.record import RecordedUser, UserRecord

__all__ = [
    "Action",
    "decide",
    "deprovision",
    "failure_of",
    "fingerprint",
    "intended",
    "of_scim",
    "person_of",
    "put",
    "remembered",
    "removed_users",
]

_DIGEST_BYTES: Final = 12
_KINDS_SHOWN: Final = 3


class Action(Enum):
    """What is to be done about a user."""

    CREATE = auto()
    """The service is not known to have the user: find or make it."""
    UPDATE = auto()
    """Something about the user changed, or it isn't certain what the service has."""
    DEACTIVATE = auto()
    """The user is not to use the app for now."""
    REACTIVATE = auto()
    """The user came back."""
    NOTHING = auto()
    """The service has the user as it should be."""


def person_of(user: User, known: RecordedUser | None, created_by: str | None) -> Person:
    """Return the user as the service should have it.

    A user without e-mail goes by its id. While it isn't known who installed the app, whoever is marked stays so.
    """
    marked = known is not None and known.admin is True
    return Person(
        external_id=user.id,
        user_name=user.email or user.id,
        email=user.email or None,
        name=user.name or None,
        active=user.active is not False,
        admin=marked if created_by is None else user.id == created_by,
    )


def fingerprint(person: Person, salt: str) -> str:
    """Return a digest of everything that the service is told; salted, as e-mail addresses can be guessed."""
    told = [person.external_id, person.user_name, person.email, person.name, person.active, person.admin]
    key = salt.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(orjson.dumps(told), digest_size=_DIGEST_BYTES, key=key).hexdigest()


def decide(person: Person, known: RecordedUser | None, sent: str) -> Action:
    """Compare the user with what is on record; `sent` is the fingerprint of what would be sent."""
    if known is None or known.ref is None:
        return Action.CREATE
    if known.sent == sent:
        return Action.NOTHING
    if person.active == known.active:
        return Action.UPDATE
    return Action.REACTIVATE if person.active else Action.DEACTIVATE


def put(person: Person, known: RecordedUser | None) -> Put:
    """Order that the service has the person. Roles given there stay, unless the mark of the admin changes."""
    ref = known.ref if known is not None else None
    return Put(person, ref, roles=known is None or ref is None or known.admin != person.admin)


def remembered(person: Person, settled: Put, sent: str) -> RecordedUser:
    """Return what to put on record of a person that the service has now under the order's `ref`."""
    return RecordedUser(ref=settled.ref, sent=sent, active=person.active, admin=person.admin)


def intended(order: Order, before: RecordedUser | None) -> RecordedUser:
    """Return what to put on record before an order is carried out, as nobody may live to see what comes of it.

    It says the worst: that the service may have the user, and active, and that it isn't certain what it was told.
    """
    known = before or RecordedUser(None)
    if not isinstance(order, Put):
        return replace(known, sent="")
    active = known.active or order.person.active
    return replace(known, sent="", active=active, admin=None if order.roles else known.admin)


def removed_users(roster: UserRecord, listed: Container[str], *, failed_before: bool) -> Iterator[Deactivate]:
    """Yield orders for those whom the service may have as active though the list, read to its end, hasn't got them.

    Either for those in trouble or for the others, who come first.
    """
    for user_id, known in roster.items():
        if known.active and known.failed_before is failed_before and user_id not in listed:
            yield Deactivate(user_id, known.ref)


def of_scim(error: ScimError) -> Failure:
    """Judge an error that ended the work."""
    match error:
        case ScimTransient(retry_after=retry_after):
            return Failure(Reason.SCIM_UNAVAILABLE, error.message, RetryClass.TRANSIENT, retry_after)
        case _:
            return Failure(Reason.USERS_FAILED, error.message, RetryClass.SLOW)


def failure_of(errors: Iterable[ScimError]) -> Failure | None:
    """Judge what went wrong for single users, without a word on who they are; None when nothing did.

    What may pass by itself is tried again soon. What the service refuses is tried again with the next resync.
    """
    found: Sequence[ScimError] = tuple(errors)
    if not found:
        return None
    kinds = Counter(error.kind for error in found).most_common(_KINDS_SHOWN)
    words = ", ".join(f"{kind} ({count})" for kind, count in kinds)
    whom = "one user" if len(found) == 1 else f"{len(found)} users"
    if all(isinstance(error, ScimPermanent) for error in found):
        return Failure(Reason.USERS_FAILED, f"the SCIM service refuses {whom}: {words}", RetryClass.TERMINAL)
    waits = [error.retry_after for error in found if isinstance(error, ScimTransient) and error.retry_after is not None]
    longest: timedelta | None = max(waits, default=None)
    return Failure(Reason.SCIM_UNAVAILABLE, f"it did not work for {whom}: {words}", RetryClass.TRANSIENT, longest)


def deprovision(scope: Scope) -> DeactivateUsers | UsersOutcome | None:
    """Return the step; or its outcome, while more is to be done; or None when nobody is left to deactivate."""
    users, known = scope.policy.resource.spec.users, scope.installation.status.users
    if users is None or users.scim is None or users.scim.on_offboard is UsersOffboard.KEEP:
        return None
    outcome = scope.users
    if outcome is None:
        done = known is not None and known.complete and known.licensed == 0
        return None if done else DeactivateUsers()
    return None if outcome.finished else outcome
