"""Scopes: which of those that are asked for an app may have.

Belongs here: one pure question. Does not belong here: what a scope opens (`api`).
"""

from datetime import datetime

from talkdesk_sandbox.simulator.oauth.errors import TokenRefusedError
from talkdesk_sandbox.simulator.state.entities import App


def granted_scopes(app: App, wanted: str | None, now: datetime) -> frozenset[str]:
    """Return the scopes of a request, all that work where it names none. Raises TokenRefusedError."""
    working = {scope for scope, since in app.scopes.items() if since <= now}
    if wanted is None:
        return frozenset(working)
    asked = frozenset(wanted.split())
    if unknown := asked - app.scopes.keys():
        raise TokenRefusedError(400, "invalid_scope", f"not granted to this app: {' '.join(sorted(unknown))[:200]}")
    if early := asked - working:
        raise TokenRefusedError(401, "invalid_scope", f"not effective yet: {' '.join(sorted(early))}")
    return asked
