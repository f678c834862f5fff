"""Partners' services over HTTP: requests, signatures, TLS, circuit breakers.

Belongs here: one request and its response. Does not belong here: which request is due (`domain.hooks`).
"""

from talkdesk_operator.adapters.hooks.client import HookClient, HookSettings

__all__ = ["HookClient", "HookSettings"]
