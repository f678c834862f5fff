"""What the fixtures `start` and `meet` of the simulator's tests are, for the tests that ask for them.

Types only: the fixtures themselves stand in the conftest next to those tests, which cannot be imported from.
"""

from collections.abc import Awaitable, Callable

from builders.partner import Partner
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.views import Outcome

Start = Callable[..., Awaitable[SimulatorServer]]
"""Starts a simulator by `clock`, `callback_url` and any field of `Behaviour`; it ends with the test."""
Meet = Callable[[SimulatorServer, Outcome], Awaitable[Partner]]
"""Makes the partner that knows the first event of an outcome."""
