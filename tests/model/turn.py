"""One turn of somebody in the model: the operator reconciles, or the webhook stores an event.

Each request that leaves it is a point at which the search chooses what happens: that all goes well, a fault, or that
somebody else acts right before it. A turn is determined by its choices, so the search makes it again with others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.state import State
from model.world import World

__all__ = ["Choices", "Option", "Turn", "is_write"]

Choices = tuple[int, ...]
"""What was chosen at each point; 0, also where there is no more of it: all goes well."""


_READS = frozenset({"GET", "LIST", "ASK", "DRY-RUN", "POLL-SERVICE"})


def is_write(line: str) -> bool:
    """Return whether a request changes something."""
    return line.split(" ", 1)[0] not in _READS


@dataclass
class Turn:
    """Made anew for each sequence of choices."""

    world: World
    choices: Choices
    options: Callable[["Turn", str], Sequence["Option"]]
    """Returns what else than success may happen at a request."""
    taken: list[int] = field(default_factory=list)
    width: list[int] = field(default_factory=list)
    """How many choices there were at each point."""
    told: list[str] = field(default_factory=list)
    """Every request, and what became of it."""
    crashes: list[tuple[str, State]] = field(default_factory=list)
    """The world at each point at which the process may end."""
    may_crash: Callable[[World], bool] = lambda _: False
    restarted: Callable[[World], State] = World.state
    """Returns what is there after the end of the process."""
    wrote: bool = False
    quiet: bool = False
    """Whether nobody chooses: the turn of somebody who acts within another's."""

    def crashed(self, line: str) -> None:
        """Note that the process may end here."""
        if self.wrote and self.may_crash(self.world):
            self.crashes.append((line, self.restarted(self.world)))
            self.wrote = False

    def effect(self, line: str, happen: Callable[[], Any]) -> Any:
        """Let a request have its effect, or whatever the search chooses in its place."""
        if self.quiet or line.startswith("POST events"):
            return happen()
        point = len(self.taken)
        options = self.options(self, line)
        chosen = self.choices[point] if point < len(self.choices) else 0
        self.taken.append(chosen)
        self.width.append(len(options) + 1)
        if point >= len(self.choices):
            self.crashed(line)
        if chosen == 0:
            self.told.append(line)
            self.wrote = self.wrote or is_write(line)
            return happen()
        option = options[chosen - 1]
        self.world.spend(option.sort)
        self.told.append(f"{line}: {option.name}")
        self.wrote = True
        return option.happen(happen)


@dataclass(frozen=True, slots=True)
class Option:
    """What may happen at a request instead of, or before, its success."""

    name: str
    sort: str
    """What it is counted as."""
    happen: Callable[[Callable[[], Any]], Any]
    """Takes what the request would do."""
