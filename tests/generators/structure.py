"""The picture of the structure in ARCHITECTURE.md, drawn from the imports: rooms, floors and arrows."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

import grimp

__all__ = ["DOMAIN", "OPERATOR", "House", "draw", "house"]

OPERATOR = (
    "talkdesk_operator.__main__",
    "talkdesk_operator.evaluator",
    "talkdesk_operator.wiring",
    "talkdesk_operator.cli",
    "talkdesk_operator.process",
    "talkdesk_operator.reconcilers",
    "talkdesk_operator.informer",
    "talkdesk_operator.workqueue",
    "talkdesk_operator.adapters",
    "talkdesk_operator.domain",
    "talkdesk_operator.templates",
    "talkdesk_operator.observability",
    "talkdesk_operator.settings",
)
DOMAIN = tuple(
    f"talkdesk_operator.domain.{room}"
    for room in ("installation", "tenant", "users", "hooks", "reconcile", "ports", "shard", "account_key")
)


@dataclass(frozen=True)
class House:
    """Rooms of one package, the arrows between them, and the floor that each stands on."""

    rooms: tuple[str, ...]
    arrows: Mapping[str, AbstractSet[str]]
    """Which rooms a room imports directly."""

    @property
    def floors(self) -> Mapping[str, int]:
        """The floor of each room: 1 imports no other room; each stands above all that it imports."""

        @cache
        def floor(room: str) -> int:
            return 1 + max((floor(below) for below in self.arrows[room]), default=0)

        return {room: floor(room) for room in self.rooms}

    @property
    def shown(self) -> Mapping[str, AbstractSet[str]]:
        """The arrows less those that a longer way makes plain anyway."""
        return {
            room: {below for below in direct if not any(below in self._reached(other) for other in direct - {below})}
            for room, direct in self.arrows.items()
        }

    @property
    def count(self) -> int:
        """How many arrows there are."""
        return sum(map(len, self.arrows.values()))

    def _reached(self, room: str) -> AbstractSet[str]:
        below = self.arrows[room]
        return set(below).union(*(self._reached(other) for other in below))


def house(rooms: Iterable[str]) -> House:
    """Read the imports of some rooms of one package; raise ValueError for rooms that import each other in a circle."""
    rooms = tuple(rooms)
    graph = grimp.build_graph(rooms[0].partition(".")[0], include_external_packages=False, cache_dir=None)
    room_of = {module: room for room in rooms for module in (room, *graph.find_descendants(room))}
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for module, room in room_of.items():
        imported = graph.find_modules_directly_imported_by(module)
        arrows[room] |= {room_of[target] for target in imported if target in room_of} - {room}
    drawn = House(rooms, arrows)
    try:
        _ = drawn.floors
    except RecursionError:
        raise ValueError("rooms import each other in a circle") from None
    return drawn


def draw() -> str:
    """Return the picture as Markdown: the operator's rooms, and those of its domain."""
    return f"{_picture('operator', house(OPERATOR))}\n\n{_picture('its domain', house(DOMAIN))}"


def _picture(name: str, drawn: House) -> str:
    floors = drawn.floors
    counts = f"{len(drawn.rooms)} rooms, {max(floors.values())} floors, {drawn.count} arrows"
    lines = [f"**{name}**: {counts}; arrows that a longer way implies are left out", "", "```mermaid", "flowchart TD"]
    for number in sorted(set(floors.values()), reverse=True):
        row = [room for room in drawn.rooms if floors[room] == number]
        lines.append("    " + " & ".join(f"{_id(room)}[{_short(room)}]" for room in row))
    for room in drawn.rooms:
        lines += [f"    {_id(room)} --> {_id(below)}" for below in sorted(drawn.shown[room])]
    return "\n".join([*lines, "```"])


def _short(room: str) -> str:
    return room.rpartition(".")[2]


def _id(room: str) -> str:
    return _short(room).strip("_")
