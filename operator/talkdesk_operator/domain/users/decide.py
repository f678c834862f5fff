"""Which users the SCIM service should have, and which order each user needs.

Belongs here: the comparison of Talkdesk's list with the record, and what errors of the service mean.
Does not belong here: the record's form (`record`), calls (`adapters.scim`), batches and time (`reconcilers.users`).
"""

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from talkdesk_crds.app import SCIM_ATTRIBUTES, ScimAttribute, UsersOffboard
from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_KEEP_USERS
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.ports.scim import Deactivate, Order, Person, Put
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimPermanent, ScimTransient
from talkdesk_operator.domain.ports.talkdesk import User
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, RetryClass, Scope, UsersOutcome
from talkdesk_operator.domain.reconcile.steps import DeactivateUsers
from talkdesk_operator.domain.users.record import RecordedUser, UserRecord

__all__ = [
    "deprovision",
    "elsewhere_failure",
    "fingerprint",
    "former_users",
    "is_up_to_date",
    "keeps_users",
    "leaving_failure",
    "person_of",
    "put_order",
    "record_after",
    "record_before",
    "removed_users",
    "scim_failure",
    "users_failure",
    "with_way_out",
]

_WAY_OUT: Final = (
    "it is tried again until every user is seen inactive; where that will never be, set the annotation"
    f" {ANNOTATION_KEEP_USERS} of the TalkdeskTenant to true, or users.scim.onOffboard of the TalkdeskApp to Keep"
)
_FORGET_ELSEWHERE: Final = (
    "deactivate who should not be there, and set the annotation"
    f" {ANNOTATION_KEEP_USERS} of the TalkdeskTenant to true until the record of them is gone"
)
_ATTRIBUTES_HINT: Final = "; users.scim.preset and users.scim.attributes of the TalkdeskApp say what it is sent"
_DIGEST_BYTES: Final = 12
_KINDS_SHOWN: Final = 3


def person_of(
    user: User,
    known: RecordedUser | None,
    created_by: str | None,
    attributes: tuple[ScimAttribute, ...] = SCIM_ATTRIBUTES,
    *,
    always_named: bool = False,
) -> Person:
    """Return the user as the service should have it.

    Without an e-mail address the id is the user name. While it is not known who installed the app, the recorded admin
    stays admin. Who has no name is `always_named` by what stands before the @.
    """
    name = user.name or None
    if always_named and not (user.name or "").strip():
        name = (user.email or user.id).partition("@")[0] or user.id
    was_admin = known is not None and known.admin is True
    return Person(
        external_id=user.id,
        user_name=user.email or user.id,
        email=user.email or None,
        name=name,
        active=user.active is not False,
        admin=was_admin if created_by is None else user.id == created_by,
        attributes=attributes,
    )


def fingerprint(person: Person, salt: str) -> str:
    """Return a digest of everything that is sent to the service; salted because e-mail addresses can be guessed."""
    sent: list[object] = [person.external_id, person.user_name, person.email, person.name, person.active, person.admin]
    if set(person.attributes) != set(SCIM_ATTRIBUTES):
        # Left out where it is as it always was, so that a newer operator sends nobody again.
        sent.append(sorted(person.attributes))
    key = salt.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(orjson.dumps(sent), digest_size=_DIGEST_BYTES, key=key).hexdigest()


def is_up_to_date(known: RecordedUser | None, digest: str) -> bool:
    """Return whether the service has the user as it should be; `digest` is the fingerprint of what would be sent."""
    return known is not None and known.ref is not None and known.sent == digest


def put_order(person: Person, known: RecordedUser | None, owners: Mapping[str, str] | None = None) -> Put:
    """Return the order to create or update the person. Roles set at the service stay, unless the admin changes.

    `owners` says of users of the service whose they are.
    """
    ref = known.ref if known is not None else None
    roles = known is None or ref is None or known.admin != person.admin
    return Put(person, ref, roles=roles, owners={} if owners is None else owners)


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


def former_users(record: UserRecord, listed: Container[str]) -> frozenset[str]:
    """Return who is not on the complete list, and inactive on record: the service may know better by now."""
    return frozenset(user_id for user_id, known in record.items() if not known.active and user_id not in listed)


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
        hint = _ATTRIBUTES_HINT if any(error.kind.startswith("400") for error in found) else ""
        message = f"the SCIM service refuses {users}: {summary}{hint}"
        return Failure(Reason.USERS_FAILED, message, RetryClass.TERMINAL)
    waits = [error.retry_after for error in found if isinstance(error, ScimTransient) and error.retry_after is not None]
    message = f"the SCIM service did not take {users}, who will be retried: {summary}"
    return Failure(Reason.SCIM_UNAVAILABLE, message, RetryClass.TRANSIENT, max(waits, default=None))


def elsewhere_failure(count: int, *, leaving: bool) -> Failure | None:
    """Return the failure for users who may be active at an earlier address of the service; None when there are none.

    Nothing deactivates them there: whether that service is another one, or the same under another name, where the user
    would lose access, only a person knows.
    """
    if not count:
        return None
    users = "one user" if count == 1 else f"{count} users"
    message = f"{users} may be active at another address of the SCIM service, which users.scim.url had before"
    if leaving:
        return Failure(Reason.USERS_FAILED, message, RetryClass.SLOW)
    return Failure(Reason.USERS_FAILED, f"{message}; {_FORGET_ELSEWHERE}", RetryClass.TERMINAL)


def leaving_failure(errors: Iterable[ScimError]) -> Failure | None:
    """Return the failure for the errors of users who are to be deactivated; None when there are none.

    As long as one may be active the work goes on, so what the service refuses is retried as well.
    """
    failure = users_failure(errors)
    if failure is None or failure.retry_class is not RetryClass.TERMINAL:
        return failure
    return replace(failure, retry_class=RetryClass.SLOW)


def keeps_users(app: CompiledApp, tenant: TalkdeskTenant | None) -> bool:
    """Return whether the users of an offboarded tenant stay as they are at the service.

    The app has no service, or wants it so, or a person released the tenant from a service that can't do it.
    """
    users = app.resource.spec.users
    if users is None or users.scim is None or users.scim.on_offboard is UsersOffboard.KEEP:
        return True
    return tenant is not None and tenant.metadata.annotations.get(ANNOTATION_KEEP_USERS) == "true"


def deprovision(scope: Scope) -> DeactivateUsers | UsersOutcome | None:
    """Return the step that deactivates users, or its outcome while users are left, or None when no user is left."""
    known, outcome = scope.installation.status.users, scope.users
    if keeps_users(scope.required_app, scope.tenant):
        return None
    if outcome is None:
        done = known is not None and known.complete and known.licensed == known.failed == 0
        return None if done else DeactivateUsers()
    return None if outcome.finished else with_way_out(outcome)


def with_way_out(outcome: UsersOutcome) -> UsersOutcome:
    """Return the outcome with words on what a person can do where the service will never deactivate a user."""
    if outcome.failure is None:
        return outcome
    message = f"{outcome.failure.message}; {_WAY_OUT}"
    return replace(outcome, failure=replace(outcome.failure, message=message), message=message)
