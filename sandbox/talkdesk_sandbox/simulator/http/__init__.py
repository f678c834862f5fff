"""What all HTTP routes share: JSON answers, the journal of requests, and the middleware that injects faults.

Belongs here: requests and responses as such; the SCIM service uses it too. Does not belong here: what a route means.
"""

from talkdesk_sandbox.simulator.http.journal import Journal, Record
from talkdesk_sandbox.simulator.http.middleware import FaultMiddleware

__all__ = ["FaultMiddleware", "Journal", "Record"]
