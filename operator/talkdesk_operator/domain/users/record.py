"""What is on record of a tenant's users at the SCIM service, in pieces of a size that a Secret can hold.

Belongs here: the record, which piece holds whom, which pieces changed; the port by which it is kept. Does not belong
here: Secrets (`adapters.user_records`), what follows from the record (users.py).

Pieces are filled one after the other and nobody ever moves, so that bringing ten thousand users for the first time
writes one piece per batch, and a small tenant has a single one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from talkdesk_operator.domain.ports.scim import Ref

__all__ = ["CAPACITY", "MAX_ID_BYTES", "Piece", "RecordedUser", "UserRecord", "UserRecordStore"]

CAPACITY: Final = 800
"""Users in a piece: some 110 KB, at most 700 KB with ids and versions of the greatest length. A Secret holds 1 MiB, and
in base64, a third longer, a request should have no more than that either: it is sent without a break."""
MAX_ID_BYTES: Final = 256
"""Longest id or version that is kept, in UTF-8."""


@dataclass(frozen=True, slots=True)
class RecordedUser:
    """What is on record of one user. Nothing of it is personal."""

    ref: Ref | None
    """None when the service was never seen to have the user; it may have it all the same."""
    sent: str = ""
    """Fingerprint of what the service was told last; empty when it isn't certain what the service has."""
    active: bool = False
    """Whether the service may have it as active."""
    admin: bool | None = False
    """Whether the service was told that this is the one who installed the app; None when that isn't certain."""
    failed_before: bool = False
    """The last attempt failed, so that the next one comes after everybody else's."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a record as it is kept."""

    service: str
    """Digest of the service's URL: ids of one service mean nothing, or somebody else, at another."""
    salt: str = field(repr=False)
    """Of the fingerprints."""
    users: Mapping[str, RecordedUser]
    """By Talkdesk's id."""


class UserRecord:
    """The whole record of one tenant, and which pieces of it are yet to be saved."""

    def __init__(self, service: str, salt: str, pieces: Sequence[Piece] = ()) -> None:
        """Take the pieces as they were kept; those of another service count as empty. The first one's salt is used.

        `salt` is for a record that is new.
        """
        ours = [piece for piece in pieces if piece.service == service]
        self.service = service
        self.salt = ours[0].salt if ours else salt
        self._pieces = [dict(piece.users) if piece.service == service else {} for piece in pieces]
        self._place = {user_id: place for place, users in enumerate(self._pieces) for user_id in users}
        self._changed: set[int] = {place for place, piece in enumerate(pieces) if piece.service != service}

    def __len__(self) -> int:
        return len(self._place)

    def get(self, user_id: str) -> RecordedUser | None:
        """Return what is known of a user, if anything."""
        place = self._place.get(user_id)
        return None if place is None else self._pieces[place][user_id]

    def put(self, user_id: str, known: RecordedUser) -> None:
        """Note what is known of a user now."""
        place = self._place.get(user_id)
        if place is None:
            place = self._place[user_id] = self._room()
        elif self._pieces[place][user_id] == known:
            return
        self._pieces[place][user_id] = known
        self._changed.add(place)

    def items(self) -> Iterator[tuple[str, RecordedUser]]:
        """Yield all users, by Talkdesk's id."""
        for user_id, place in self._place.items():
            yield user_id, self._pieces[place][user_id]

    def changed(self) -> dict[int, Piece]:
        """Return the pieces that were changed since the last `saved`, by their number."""
        return {place: Piece(self.service, self.salt, self._pieces[place]) for place in sorted(self._changed)}

    def saved(self) -> None:
        """Take everything for saved."""
        self._changed.clear()

    def _room(self) -> int:
        """Return the number of the first piece with room."""
        for place, users in enumerate(self._pieces):
            if len(users) < CAPACITY:
                return place
        self._pieces.append({})
        return len(self._pieces) - 1


class UserRecordStore(Protocol):
    """Where records of users are kept. Methods raise talkdesk_runtime.kube_errors and nothing else."""

    async def load(self, namespace: str, tenant: str) -> tuple[Piece, ...]:
        """Read all pieces of a tenant; what can't be understood counts as not there."""
        ...

    async def save(self, namespace: str, tenant: str, pieces: Mapping[int, Piece]) -> None:
        """Write these pieces of a tenant, by their number."""
        ...

    async def drop(self, namespace: str, tenant: str) -> None:
        """Delete the whole record of a tenant."""
        ...
