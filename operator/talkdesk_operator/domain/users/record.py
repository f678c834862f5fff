"""The record of what the SCIM service has of a tenant's users, in pieces that fit into a Secret.

Belongs here: the record, which piece contains which user, which pieces changed; the port that stores it.
Does not belong here: Secrets (`adapters.kubernetes.user_records`), what follows from the record (`decide`).

Pieces are filled one after the other, and a user never moves to another piece. So the first sync of ten thousand users
writes one piece for each batch, and a small tenant has a single piece.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Protocol

from talkdesk_operator.domain.ports.scim import Ref

__all__ = ["CAPACITY", "MAX_ID_BYTES", "Piece", "RecordedUser", "UserRecord", "UserRecordStore"]

CAPACITY: Final = 800
"""Users in a piece: about 110 KB, at most 700 KB with ids and versions of maximum length. A Secret holds 1 MiB, and the
request that writes it, a third longer because of base64, should not exceed that either: it is sent in one chunk."""
MAX_ID_BYTES: Final = 256
"""Longest id or version that is stored, in UTF-8."""


@dataclass(frozen=True, slots=True)
class RecordedUser:
    """The record of one user. It contains no personal data."""

    ref: Ref | None
    """None when the service never confirmed that it has the user; it may have the user nevertheless."""
    sent: str = ""
    """Fingerprint of what was last sent to the service; empty when it is uncertain what the service has."""
    active: bool = False
    """Whether the service may have the user as active."""
    admin: bool | None = False
    """Whether the user was sent with the role of the installing admin; None when that is uncertain."""
    failed_before: bool = False
    """Whether the last attempt failed, so that the next one comes after those of all other users."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a record as it is stored."""

    service: str
    """Digest of the service's URL, because ids of one service mean nothing, or another user, at another."""
    salt: str = field(repr=False)
    """Salt of the fingerprints."""
    users: Mapping[str, RecordedUser]
    """By Talkdesk's id."""
    continued: bool = False
    """Whether another piece follows although this one is not full."""


class UserRecord:
    """The whole record of one tenant, and which of its pieces must be saved."""

    def __init__(
        self, service: str, salt: str, pieces: Sequence[Piece] = (), *, forget_elsewhere: bool = False
    ) -> None:
        """Take the stored pieces. The salt of the first one of this service is used; `salt` is for a new record.

        A piece of another service is kept as it is as long as it names somebody who may be active there, unless
        `forget_elsewhere`; otherwise it counts as empty.
        """
        ours = [piece for piece in pieces if piece.service == service]
        self.service = service
        self.salt = ours[0].salt if ours else salt
        self._elsewhere = {
            place: piece
            for place, piece in enumerate(pieces)
            if piece.service != service and not forget_elsewhere and _active(piece)
        }
        self._pieces = [dict(piece.users) if piece.service == service else {} for piece in pieces]
        self._place = {user_id: place for place, users in enumerate(self._pieces) for user_id in users}
        self._by_ref = {known.ref.id: user_id for user_id, known in self.items() if known.ref is not None}
        self._changed: set[int] = {
            place for place, piece in enumerate(pieces) if piece.service != service and place not in self._elsewhere
        }

    def __len__(self) -> int:
        return len(self._place)

    def get(self, user_id: str) -> RecordedUser | None:
        """Return the record of a user; None when there is none."""
        place = self._place.get(user_id)
        return None if place is None else self._pieces[place][user_id]

    def put(self, user_id: str, known: RecordedUser) -> None:
        """Replace the record of a user. Another one, who had the same user of the service, has it no more."""
        self._take_ref(user_id, known.ref)
        place = self._place.get(user_id)
        if place is None:
            place = self._place[user_id] = self._piece_with_room()
        elif self._pieces[place][user_id] == known:
            return
        self._pieces[place][user_id] = known
        self._changed.add(place)

    def _take_ref(self, user_id: str, ref: Ref | None) -> None:
        """Record whose a user of the service is: nobody else's, and the one that this user had before is not theirs."""
        before = self.get(user_id)
        if before is not None and before.ref is not None and self._by_ref.get(before.ref.id) == user_id:
            del self._by_ref[before.ref.id]
        if ref is None:
            return
        other = self._by_ref.get(ref.id)
        self._by_ref[ref.id] = user_id
        theirs = self.get(other) if other is not None and other != user_id else None
        if other is not None and theirs is not None and theirs.ref is not None and theirs.ref.id == ref.id:
            self.put(other, replace(theirs, ref=None, sent="", active=False))

    def items(self) -> Iterator[tuple[str, RecordedUser]]:
        """Yield all users, by Talkdesk's id."""
        for user_id, place in self._place.items():
            yield user_id, self._pieces[place][user_id]

    @property
    def owners(self) -> Mapping[str, str]:
        """Talkdesk's ids by those of the service, as they are at any time."""
        return MappingProxyType(self._by_ref)

    @property
    def active_elsewhere(self) -> int:
        """How many users may be active at another service, whose address was the app's before."""
        return sum(map(_active, self._elsewhere.values()))

    def changed(self) -> dict[int, Piece]:
        """Return the pieces that were changed since the last `mark_saved`, by their number."""
        return {place: self._piece(place) for place in sorted(self._changed)}

    def mark_saved(self) -> None:
        """Take all changes as saved."""
        self._changed.clear()

    def _piece(self, place: int) -> Piece:
        piece = self._elsewhere.get(place) or Piece(self.service, self.salt, self._pieces[place])
        return replace(piece, continued=place < len(self._pieces) - 1 and len(piece.users) < CAPACITY)

    def _piece_with_room(self) -> int:
        """Return the number of the first piece with room."""
        for place, users in enumerate(self._pieces):
            if len(users) < CAPACITY and place not in self._elsewhere:
                return place
        if len(self._pieces) - 1 in self._elsewhere:
            self._changed.add(len(self._pieces) - 1)
        self._pieces.append({})
        return len(self._pieces) - 1


def _active(piece: Piece) -> int:
    return sum(known.active for known in piece.users.values())


class UserRecordStore(Protocol):
    """The store of users' records. Methods raise the errors of `talkdesk_runtime.kube_errors` and nothing else."""

    async def load(self, namespace: str, tenant: str) -> tuple[Piece, ...]:
        """Read all pieces of a tenant; a piece that cannot be parsed counts as missing."""
        ...

    async def save(self, namespace: str, tenant: str, pieces: Mapping[int, Piece]) -> None:
        """Write these pieces of a tenant, by their number."""
        ...

    async def drop(self, namespace: str, tenant: str) -> None:
        """Delete the whole record of a tenant."""
        ...
