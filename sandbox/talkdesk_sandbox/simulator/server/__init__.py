"""The simulator as a server: one ASGI application of all routes, sockets, TLS, start and stop.

Belongs here: putting routes and middleware together, and listening. Does not belong here: what any route does.
"""

from talkdesk_sandbox.simulator.server.server import SimulatorServer

__all__ = ["SimulatorServer"]
