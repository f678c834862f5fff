"""Talkdesk's API over HTTP: the adapter of the port in `talkdesk_operator.domain.ports.talkdesk`.

Belongs here: authentication, requests, limits, and the translation of answers and failures into the port's types
and errors. Does not belong here: decisions, retries by time, Kubernetes.
"""

from talkdesk_operator.adapters.talkdesk.client import ClientSettings, TalkdeskClient
from talkdesk_operator.adapters.talkdesk.exchange import Observe

__all__ = ["ClientSettings", "Observe", "TalkdeskClient"]
