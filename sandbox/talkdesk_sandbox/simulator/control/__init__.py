"""The control API under `/_control` and its typed client: how tests and people drive the simulator.

Belongs here: routes and client, one method for each route. Does not belong here: carrying out commands (`commands`).
"""

from talkdesk_sandbox.simulator.control.client import Client, ControlError

__all__ = ["Client", "ControlError"]
