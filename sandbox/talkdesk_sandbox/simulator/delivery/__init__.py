"""Signed events on their way to the partner: attempts, retries, faults, and the log of all deliveries.

Belongs here: sending. Does not belong here: what events say and why they exist (`events`, `lifecycle`).
"""

from talkdesk_sandbox.simulator.delivery.deliveries import Attempt, Delivery, SignedEvent
from talkdesk_sandbox.simulator.delivery.dispatcher import Dispatcher

__all__ = ["Attempt", "Delivery", "Dispatcher", "SignedEvent"]
