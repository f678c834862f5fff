"""Types of the fixtures `start` and `meet`, for the simulator's tests.

The fixtures themselves are in the conftest of those tests, which can't be imported.
"""

from collections.abc import Awaitable, Callable

from builders.partner import Partner
from talkdesk_sandbox.simulator import SimulatorServer
from talkdesk_sandbox.simulator.views import Outcome

Start = Callable[..., Awaitable[SimulatorServer]]
"""Starts a simulator with `clock`, `callback_url` and any field of `Behavior`; it ends with the test."""
Meet = Callable[[SimulatorServer, Outcome], Awaitable[Partner]]
"""Returns a partner that has the first event of an outcome."""
