"""A simulated Talkdesk: accounts, apps, installations, tokens, signed events, and faults on purpose.

Belongs here: everything that plays Talkdesk for demos, tests and partners' own apps.
Does not belong here: anything of the operator's or the webhook's; the simulator knows Talkdesk's pages, not them.

The rooms, from the ground: `settings`, `clock` and `durations`; `crypto` (keys), `faults` (what goes wrong on purpose);
`http` (requests and responses as such), `state` (what Talkdesk knows); `events` (what it says); `lifecycle` (what
happens), `oauth` (tokens), `delivery` (events to the partner); `commands` and `views` (what can be done and seen);
`simulator` (all of it together); `api` (what partners call), `control` (what tests and people call); `server`; `cli`.

From Python::

    async with SimulatorServer(Settings(callback_url="http://127.0.0.1:8080/events/default/app")) as talkdesk:
        outcome = await talkdesk.client.install(account="acme")
        await talkdesk.client.move("7d")
"""

from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.control.client import Client, ControlError
from talkdesk_sandbox.simulator.server.server import SimulatorServer
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID, Behavior, Settings
from talkdesk_sandbox.simulator.simulator import Simulator

__all__ = ["DEFAULT_APP_ID", "Behavior", "Client", "Clock", "ControlError", "Settings", "Simulator", "SimulatorServer"]
