"""How often a gateway is asked for keys that it may not have, and for whom.

Who makes ids up must not use up what a real event with a new key needs. Whoever has no key can make up ids without end,
and send each as often as real ones come: so neither an id says anything, nor how often it is asked for. What else an
event brings does: it names the app; it comes over a connection from where a verified event came; it is of an account of
which an event was verified. Who has such a thing has a budget of its own, which nobody else can use up.

Belongs here: whose budget a request for a key is taken from. Does not belong here: the request (signing_keys), what an
event says of itself (claims).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from talkdesk_runtime.lookup_cache import TokenBucket
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.networks import source_of

__all__ = ["NOTHING", "Asker", "KeyBudgets"]

_Budget: TypeAlias = tuple[float, int]
_STRANGERS: Final[_Budget] = (4 / 60, 4)
"""Of all of whom nothing is known; as many again for ids that were asked for before."""
_ONE_SOURCE: Final[_Budget] = (2 / 60, 3)
"""Of them, of one address, or one /64."""
_UNCLEAR: Final[_Budget] = (1 / 60, 2)
"""Of all whose body can't be read at a glance."""
_PROVEN: Final[_Budget] = (4 / 60, 4)
"""Of one address, or one account, of which an event was verified."""
_AHEAD: Final[_Budget] = (4 / 60, 16)
"""Of ourselves, for keys that signed events lately."""
NOTHING: Final = TokenBucket(0.0, 0)
"""The budget of whoever may use nothing but what is set apart."""
_SOURCES: Final = 1024
_ACCOUNTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a key is wanted."""

    peer: str
    """Address of the connection."""
    account: str | None = None
    """The account that the body names beside our app, empty for none; None where that can't be seen at a glance."""


class KeyBudgets:
    """The budgets of one gateway."""

    def __init__(self) -> None:
        self.unknown = TokenBucket(*_STRANGERS)
        self.asked_again = TokenBucket(*_STRANGERS)
        self.ahead = TokenBucket(*_AHEAD)
        self._unclear = TokenBucket(*_UNCLEAR)
        self._sources: LruMap[str, TokenBucket] = LruMap(_SOURCES)
        self._proven_peers: LruMap[str, TokenBucket] = LruMap(_SOURCES)
        self._proven_accounts: LruMap[str, TokenBucket] = LruMap(_ACCOUNTS)

    def proven(self, asker: Asker) -> None:
        """Take note of an event that was verified."""
        _of(self._proven_peers, asker.peer, _PROVEN)
        if asker.account:
            _of(self._proven_accounts, asker.account, _PROVEN)

    def reserves(self, asker: Asker) -> Sequence[TokenBucket]:
        """Return what was set apart for the one who asks; that of the account first, which fewer know."""
        if asker.account is None:
            return ()
        both = self._proven_accounts.get(asker.account), self._proven_peers.get(asker.peer)
        return [each for each in both if each is not None]

    def own(self, asker: Asker) -> TokenBucket:
        """Return what bounds strangers that come from there."""
        return self._unclear if asker.account is None else _of(self._sources, source_of(asker.peer), _ONE_SOURCE)


def _of(budgets: LruMap[str, TokenBucket], key: str, budget: _Budget) -> TokenBucket:
    found = budgets.get(key)
    if found is None:
        found = TokenBucket(*budget)
        budgets.put(key, found)
    return found
