"""Outgoing HTTP as all adapters have it: connections, one bounded exchange, time, what failures and headers mean.

Belongs here: what knows neither Talkdesk nor SCIM. Does not belong here: errors of a port, retries.
"""

from talkdesk_operator.adapters.http.failures import FOREIGN, before_sending, cause_of
from talkdesk_operator.adapters.http.headers import retry_after, server_time
from talkdesk_operator.adapters.http.sending import Answer, send
from talkdesk_operator.adapters.http.transport import RoutingTransport

__all__ = [
    "FOREIGN",
    "Answer",
    "RoutingTransport",
    "before_sending",
    "cause_of",
    "retry_after",
    "send",
    "server_time",
]
