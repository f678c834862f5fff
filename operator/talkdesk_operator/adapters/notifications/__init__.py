"""Endpoints that are told what happens: CloudEvents over HTTP, signed.

Belongs here: the form of an event on the wire. Does not belong here: requests (`adapters.hooks`).
"""

from talkdesk_operator.adapters.notifications.sender import HttpNotificationSender

__all__ = ["HttpNotificationSender"]
