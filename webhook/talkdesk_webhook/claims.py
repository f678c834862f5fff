"""What an event says of itself before anybody has verified it: whether it is for the app, and of which account.

Only an event whose key is not known is looked at so, and nothing follows from it but whether the key is asked for.

Belongs here: the two members of the body, at the price of one reading by the fastest parser. Does not belong here: what
becomes of an event (event_record), budgets (key_budgets).
"""

from typing import Any, Final

import orjson

from talkdesk_runtime.lenient_json import UnreadableError, read_lenient
from talkdesk_webhook.event_record import ForbiddenEvent
from talkdesk_webhook.known_app import KnownApp

__all__ = ["claimed_account"]

_AT_A_GLANCE: Final = 16 * 1024
"""Bytes of JSON that only a lenient parser reads, which is slow."""


def claimed_account(app: KnownApp, body: bytes) -> str | None:
    """Return the account that the body names, empty for none; None where it does not say for which app it is.

    Raises ForbiddenEvent for another app's, as the same event would be answered with a key.
    """
    event = _read(body)
    if not isinstance(event, dict) or not isinstance(event.get("app_id"), str | int):
        return None
    if str(event["app_id"]) != app.app_id:
        raise ForbiddenEvent("foreign_app", "the event is for another app than the one at this address")
    data = event.get("data")
    account = data.get("account_id") if isinstance(data, dict) else None
    return str(account) if isinstance(account, str | int) else ""


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return read_lenient(body) if len(body) <= _AT_A_GLANCE else None
    except UnreadableError:
        return None
