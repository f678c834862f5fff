"""Outgoing HTTP as all adapters have it: one bounded request, time, and what errors and headers mean.

Belongs here: what knows neither Talkdesk nor SCIM. Does not belong here: errors of a port, retries, connections
(talkdesk_runtime.http_transport).
"""

from talkdesk_operator.adapters.http.headers import retry_after, server_time
from talkdesk_operator.adapters.http.json_object import json_object
from talkdesk_operator.adapters.http.sending import HttpResponse, send
from talkdesk_operator.adapters.http.transport_errors import TRANSPORT_ERRORS, cause_of, not_sent_because

__all__ = [
    "TRANSPORT_ERRORS",
    "HttpResponse",
    "cause_of",
    "json_object",
    "not_sent_because",
    "retry_after",
    "send",
    "server_time",
]
