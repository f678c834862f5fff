"""How much is done of each thing: enough for figures, or just enough to see that everything works."""

from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "QUICK", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers of units and rounds."""

    rounds: int
    """Pairs of limit and real thing, one after the other, because the machine's speed drifts."""
    connections: tuple[int, ...]
    """Tried first, to find how many saturate the API server and the webhook."""
    tried: int
    """Units in each of those trials."""
    events: int
    """In a round of the webhook, and as many pairs of bare writes."""
    burst: int
    """Installs in a round of the burst."""
    limit: int
    """Installs in a round of bare writes."""
    steady_rate: float
    """Installs per second."""
    steady_seconds: float
    sweep: int
    """Installations that are there when the sweep is measured."""
    newcomers: int
    """Installs during the sweep, one a second."""
    drifts: int
    """Objects of tenants that somebody changes, one after the other."""
    users: int
    """Users synced to a SCIM service."""
    hook_rounds: int
    """Bursts of installs that call a service, and as many of others."""
    warm_up: int
    """Installs before anything counts."""


FULL: Final = Scale(
    rounds=3,
    connections=(8, 16, 32, 64),
    tried=300,
    events=800,
    burst=500,
    limit=300,
    steady_rate=20,
    steady_seconds=40,
    sweep=2000,
    newcomers=20,
    drifts=200,
    users=10_000,
    hook_rounds=2,
    warm_up=40,
)
QUICK: Final = Scale(
    rounds=1,
    connections=(8,),
    tried=20,
    events=40,
    burst=20,
    limit=10,
    steady_rate=5,
    steady_seconds=3,
    sweep=20,
    newcomers=3,
    drifts=5,
    users=200,
    hook_rounds=1,
    warm_up=4,
)
