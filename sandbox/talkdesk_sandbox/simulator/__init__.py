"""A pretend Talkdesk: accounts, apps, installations, tokens, signed events, and faults on purpose.

Belongs here: everything that plays Talkdesk for demos, tests and partners' own apps.
Does not belong here: anything of the operator's or the webhook's; the simulator knows Talkdesk's pages, not them.

From Python::

    async with SimulatorServer(Settings(callback_url="http://127.0.0.1:8080/events/default/app")) as talkdesk:
        outcome = await talkdesk.client.install(account="acme")
        await talkdesk.client.move("7d")
"""

from talkdesk_sandbox.simulator.client import Client, ControlError
from talkdesk_sandbox.simulator.clock import Clock
from talkdesk_sandbox.simulator.server import SimulatorServer
from talkdesk_sandbox.simulator.settings import DEFAULT_APP_ID, Behaviour, Settings
from talkdesk_sandbox.simulator.simulator import Simulator

__all__ = ["DEFAULT_APP_ID", "Behaviour", "Client", "Clock", "ControlError", "Settings", "Simulator", "SimulatorServer"]
