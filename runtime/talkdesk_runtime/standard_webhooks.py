"""Signatures of what is sent to a partner, by the Standard Webhooks specification (standardwebhooks.com), `v1`; pure.

Belongs here: keys, and the headers of one message. Does not belong here: where keys are kept, sending.
The specification's own library is not used: only its one HMAC would be, and it accepts a misspelt key as another one.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

__all__ = ["KeyUnusable", "WebhookSecrets", "message_id"]

_PREFIX: Final = "whsec_"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class KeyUnusable(ValueError):
    """It is no signing key; the message holds nothing of it."""


@dataclass(frozen=True)
class WebhookSecrets:
    """What a message is signed with: one key, or two while one replaces the other."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one key a line: `whsec_` and base64, or any other text; raises KeyUnusable.

        White space around a key, like the newline at a file's end, is no part of it.
        """
        keys = tuple(_key(line) for line in map(str.strip, text.splitlines()) if line)
        if not keys:
            raise KeyUnusable("it is empty")
        return cls(keys)

    def headers(self, message: str, at: datetime, body: bytes) -> dict[str, str]:
        """Sign `body` under the id `message` (as `message_id` gives it) at a time, which is that of the attempt."""
        timestamp = str(int(at.timestamp()))
        signed = b".".join((message.encode(), timestamp.encode(), body))
        signatures = (hmac.digest(key, signed, hashlib.sha256) for key in self.keys)
        return {
            "webhook-id": message,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
        }


def message_id(event_id: str) -> str:
    """Return the event's id itself when a header and the signed text can hold it, else a hash of it."""
    if _ID.fullmatch(event_id) is not None:
        return event_id
    text = f"{len(event_id)}:{event_id}".encode("utf-8", "surrogatepass")
    return f"evt_{hashlib.sha256(text).hexdigest()[:32]}"


def _key(text: str) -> bytes:
    if not text.startswith(_PREFIX):
        return text.encode()
    encoded = text.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise KeyUnusable("what follows whsec_ is not base64") from None
    if not key:
        raise KeyUnusable("it is empty")
    return key
