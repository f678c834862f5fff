"""Event signatures: ECDSA with SHA-512 over the raw body, and the public keys to check them.

Belongs here: the current and previous signing keys, signing, encoding keys and signatures in each form.
Does not belong here: HTTP, what an event says.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from talkdesk_sandbox.simulator.crypto.key_pairs import generate_ec
from talkdesk_sandbox.simulator.settings import Curve

SIGNATURE_HEADER = "X-Hub-Ecdsa-Signature"
KEY_ID_HEADER = "X-Hub-Ecdsa-Signature-Id"


@dataclass(slots=True)
class SigningKey:
    """One key that signs events."""

    key_id: str
    created_at: datetime
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    expires_at: datetime | None = None

    def sign(self, body: bytes, form: Literal["der", "raw"]) -> str:
        """Return the signature of a body in hex."""
        der = self.private.sign(body, ec.ECDSA(hashes.SHA512()))
        if form == "der":
            return der.hex()
        width = (self.private.curve.key_size + 7) // 8
        r, s = decode_dss_signature(der)
        return (r.to_bytes(width, "big") + s.to_bytes(width, "big")).hex()

    def public(self, form: Literal["spki", "pem", "sec1"]) -> str:
        """Return the public key as base64 of SPKI DER, of PEM text, or of an uncompressed point."""
        encoding, key_format = _FORMS[form]
        return base64.b64encode(self.private.public_key().public_bytes(encoding, key_format)).decode("ascii")


_FORMS: dict[str, tuple[Any, Any]] = {
    "spki": (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    "pem": (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    "sec1": (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
}


class SigningKeys:
    """The current signing key and the previous ones."""

    def __init__(self, curve: Curve, now: datetime) -> None:
        self._keys: dict[str, SigningKey] = {}
        self.current = self._make(curve, now)

    def rotate(self, curve: Curve, now: datetime, grace: timedelta) -> SigningKey:
        """Replace the signing key; the previous one is served until `grace` has passed. Return the new key."""
        self.current.expires_at = now + grace
        self.current = self._make(curve, now)
        return self.current

    def find(self, key_id: str, now: datetime) -> SigningKey | None:
        """Return a key that is served now, or None."""
        key = self._keys.get(key_id)
        return key if key and (key.expires_at is None or now < key.expires_at) else None

    def _make(self, curve: Curve, now: datetime) -> SigningKey:
        private = generate_ec(curve)
        digest = hashes.Hash(hashes.SHA256())
        digest.update(private.public_key().public_bytes(*_FORMS["spki"]))
        key = SigningKey(digest.finalize().hex()[:32], now, private)
        self._keys[key.key_id] = key
        return key
