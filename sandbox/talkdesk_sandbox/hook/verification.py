"""Signatures of requests, by the Standard Webhooks specification; pure.

Belongs here: whether a request comes from the operator, and is not an old one. Does not belong here: what it asks for.
Libraries in many languages do this: https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["NotSigned", "verify"]

TOLERANCE: Final = 300
"""Seconds between the clocks, in both directions. An old request that somebody recorded is refused by this."""


class NotSigned(Exception):
    """The request is not from the operator, or an old one; the text says why."""


def verify(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raise NotSigned unless one of the signatures is by one of `keys`; `now` is in seconds since 1970."""
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise NotSigned("webhook-timestamp is missing, or is not a number of seconds")
    if int(timestamp) < now - TOLERANCE:
        raise NotSigned("webhook-timestamp is too old")
    if int(timestamp) > now + TOLERANCE:
        raise NotSigned("webhook-timestamp is in the future")
    if "webhook-signature" not in headers:
        raise NotSigned("there is no webhook-signature")
    signed = b".".join((headers.get("webhook-id", "").encode(), timestamp.encode(), body))
    # Two signatures while the operator changes its key; two keys while you change yours.
    given = [each.encode() for each in headers["webhook-signature"].split()]
    expected = [b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    if not any(hmac.compare_digest(one, other) for one in given for other in expected):
        raise NotSigned("no webhook-signature is by a known key")
