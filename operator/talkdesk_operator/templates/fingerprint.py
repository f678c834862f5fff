"""A hash over rendered objects, by which an unchanged tenant is known and costs no write.

Belongs here: the hash alone. Does not belong here: where it is stored, when it is compared.

It is kept in a status that many may read, and it covers the contents of Secrets. Those can be short texts that a
person chose (`tenant.values`), which a plain hash would let a reader of the status guess. So it is an HMAC, and its key
must be as secret as the contents and outlive the process: one made from the account's client secret or private key
serves. A rotation then changes every fingerprint, and has to: the Secrets are to be written anew.
"""

import hashlib
import hmac
import json

__all__ = ["fingerprint"]


def fingerprint(value: object, *, key: bytes) -> str:
    """Give 64 hex digits for a JSON value (an object, a list of objects); the order of keys in maps does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
