"""Times in response headers.

Belongs here: Date and Retry-After, read from whatever a server may send. Does not belong here: what follows from them.
Source: RFC 9110, 5.6.7 and 10.2.3.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

MAX_WAIT: Final = timedelta(hours=1)
"""Longest wait that is believed: answers have deadlines of days, and a slip of a server must not use them up."""

_SECONDS: Final = re.compile(r"([0-9]{1,12})(\.[0-9]{0,6})?")


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the server's clock (`Date`), in UTC."""
    return _http_date(headers.get("date", ""))


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return the wait that the server asks for, from zero to MAX_WAIT, or None.

    A date is compared with the server's own clock where it sends one, else with `now`.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=min(float(text), MAX_WAIT.total_seconds()))
    elif (until := _http_date(text)) is not None:
        wait = until - (server_time(headers) or now)
    else:
        return None
    return min(max(wait, timedelta()), MAX_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        # The standard library's parser is meant for mail, and gives up in several ways.
        return None
