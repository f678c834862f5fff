"""Which users the SCIM service should have, and which order each user needs.

Belongs here: the comparison of Talkdesk's list with the record, and what errors of the service mean.
Does not belong here: the record's form (`record`), calls (`adapters.scim`), batches and time (`reconcilers.users`).
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
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
    "deprovision",
    "fingerprint",
    "is_up_to_date",
    "person_of",
    "put_order",
    "record_after",
    "record_before",
    "removed_users",
    "scim_failure",
    "users_failure",
]

_DIGEST_BYTES: Final = 12
_KINDS_SHOWN: Final = 3


def person_of(user: User, known: RecordedUser | None, created_by: str | None) -> Person:
    """Return the user as the service should have it.

    Without an e-mail address the id is the user name. While it is not known who installed the app, the recorded admin
    stays admin.
    """
    was_admin = known is not None and known.admin is True
    return Person(
        external_id=user.id,
        user_name=user.email or user.id,
        email=user.email or None,
        name=user.name or None,
        active=user.active is not False,
        admin=was_admin if created_by is None else user.id == created_by,
    )


def fingerprint(person: Person, salt: str) -> str:
    """Return a digest of everything that is sent to the service; salted because e-mail addresses can be guessed."""
    sent = [person.external_id, person.user_name, person.email, person.name, person.active, person.admin]
    key = salt.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(orjson.dumps(sent), digest_size=_DIGEST_BYTES, key=key).hexdigest()


def is_up_to_date(known: RecordedUser | None, digest: str) -> bool:
    """Return whether the service has the user as it should be; `digest` is the fingerprint of what would be sent."""
    return known is not None and known.ref is not None and known.sent == digest


def put_order(person: Person, known: RecordedUser | None) -> Put:
    """Return the order to create or update the person. Roles set at the service stay, unless the admin changes."""
    ref = known.ref if known is not None else None
    return Put(person, ref, roles=known is None or ref is None or known.admin != person.admin)


def record_after(person: Person, done: Put, sent: str) -> RecordedUser:
    """Return the record of a person after an order was carried out; the service has the person under its `ref`."""
    return RecordedUser(ref=done.ref, sent=sent, active=person.active, admin=person.admin)


def record_before(order: Order, before: RecordedUser | None) -> RecordedUser:
    """Return the record of a user before an order is carried out, because a crash may hide the order's outcome.

    It assumes the worst: the service may have the user as active, and what was sent last is uncertain.
    """
    known = before or RecordedUser(None)
    if not isinstance(order, Put):
        return replace(known, sent="")
    active = known.active or order.person.active
    return replace(known, sent="", active=active, admin=None if order.roles else known.admin)


def removed_users(record: UserRecord, listed: Container[str], *, failed_before: bool) -> Iterator[Deactivate]:
    """Yield orders for users who are not on the complete list, but whom the service may have as active.

    Either for users whose last order failed or for the others, depending on `failed_before`.
    """
    for user_id, known in record.items():
        if known.active and known.failed_before is failed_before and user_id not in listed:
            yield Deactivate(user_id, known.ref)


def scim_failure(error: ScimError) -> Failure:
    """Return the failure for an error that ended the work on all users."""
    match error:
        case ScimTransient(retry_after=retry_after):
            return Failure(Reason.SCIM_UNAVAILABLE, error.message, RetryClass.TRANSIENT, retry_after)
        case _:
            return Failure(Reason.USERS_FAILED, error.message, RetryClass.SLOW)


def users_failure(errors: Iterable[ScimError]) -> Failure | None:
    """Return the failure for the errors of single users, without naming them; None when there are none.

    Transient errors are retried soon. What the service refuses is retried with the next resync.
    """
    found: Sequence[ScimError] = tuple(errors)
    if not found:
        return None
    kinds = Counter(error.kind for error in found).most_common(_KINDS_SHOWN)
    summary = ", ".join(f"{kind} ({count})" for kind, count in kinds)
    users = "one user" if len(found) == 1 else f"{len(found)} users"
    if all(isinstance(error, ScimPermanent) for error in found):
        return Failure(Reason.USERS_FAILED, f"the SCIM service refuses {users}: {summary}", RetryClass.TERMINAL)
    waits = [error.retry_after for error in found if isinstance(error, ScimTransient) and error.retry_after is not None]
    message = f"the SCIM service did not take {users}, who will be retried: {summary}"
    return Failure(Reason.SCIM_UNAVAILABLE, message, RetryClass.TRANSIENT, max(waits, default=None))


def deprovision(scope: Scope) -> DeactivateUsers | UsersOutcome | None:
    """Return the step that deactivates users, or its outcome while users are left, or None when no user is left."""
    users, known = scope.required_app.resource.spec.users, scope.installation.status.users
    if users is None or users.scim is None or users.scim.on_offboard is UsersOffboard.KEEP:
        return None
    outcome = scope.users
    if outcome is None:
        done = known is not None and known.complete and known.licensed == 0
        return None if done else DeactivateUsers()
    return None if outcome.finished else outcome
