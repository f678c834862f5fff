"""Event signatures: ECDSA with SHA-512 over the raw body, as hex, with a public key that was fetched by its id.

Belongs here: reading keys and signatures in every form that the sender could mean, and the check itself; pure.
Does not belong here: where keys come from.

The sender documents hex and base64, but neither the curve nor the encodings inside, so all common ones are read: keys
as PEM, SubjectPublicKeyInfo or SEC1 point on P-256, P-384 or P-521; signatures as DER or r‖s. Reading more forms makes
no forgery easier: a signature is good only when the key made it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from talkdesk_runtime.key_text import key_bytes

__all__ = [
    "KeyFormError",
    "SignatureError",
    "SignatureFault",
    "SignatureHeaders",
    "is_key_id",
    "parse_public_key",
    "verify",
]

HEADER_SIGNATURE: Final = "X-Hub-Ecdsa-Signature"
HEADER_KEY_ID: Final = "X-Hub-Ecdsa-Signature-Id"

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
"""Becomes a segment of a path, so nothing that could lead elsewhere."""
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){8,160}")
"""The longest real one is P-521's in DER: 139 bytes."""
_MAX_KEY_TEXT: Final = 4096
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SHA512: Final = ec.ECDSA(hashes.SHA512())


class SignatureFault(StrEnum):
    """Why an event counts as not signed; also a metric's label."""

    MISSING = "signature_missing"
    """A header is absent or present twice."""
    MALFORMED = "signature_malformed"
    """The signature is not hex, or not as long as a signature can be."""
    MALFORMED_KEY_ID = "key_id_malformed"
    """The key id holds characters that no id has."""
    UNKNOWN_KEY = "key_unknown"
    """Talkdesk has no such key, or it has expired."""
    MISMATCH = "signature_mismatch"
    """The key did not make this signature over this body."""


_MESSAGES: Final = {
    SignatureFault.MISSING: f"{HEADER_SIGNATURE} and {HEADER_KEY_ID} must each be present once",
    SignatureFault.MALFORMED: f"{HEADER_SIGNATURE} is not a signature in hex",
    SignatureFault.MALFORMED_KEY_ID: f"{HEADER_KEY_ID} is not the id of a key",
    SignatureFault.UNKNOWN_KEY: "the signing key is not known to Talkdesk, or has expired",
    SignatureFault.MISMATCH: "the signature does not fit the body",
}


class SignatureError(Exception):
    """The event is not proven to be Talkdesk's; `str()` is fit for a response."""

    def __init__(self, fault: SignatureFault) -> None:
        super().__init__(_MESSAGES[fault])
        self.fault = fault


class KeyFormError(ValueError):
    """The text is no ECDSA public key in a form that is understood."""


@dataclass(frozen=True, slots=True)
class SignatureHeaders:
    """What the two headers say."""

    key_id: str
    signature: bytes

    @classmethod
    def read(cls, signatures: list[str], key_ids: list[str]) -> "SignatureHeaders":
        """Read all values of both headers; raise SignatureError unless there is exactly one good one of each."""
        if len(signatures) != 1 or len(key_ids) != 1:
            raise SignatureError(SignatureFault.MISSING)
        if not is_key_id(key_ids[0]):
            raise SignatureError(SignatureFault.MALFORMED_KEY_ID)
        if _HEX.fullmatch(signatures[0]) is None:
            raise SignatureError(SignatureFault.MALFORMED)
        return cls(key_ids[0], bytes.fromhex(signatures[0]))


def is_key_id(text: str) -> bool:
    """Return whether it can be the id of a key."""
    return _KEY_ID.fullmatch(text) is not None


def verify(key: ec.EllipticCurvePublicKey, signature: bytes, body: bytes) -> None:
    """Raise SignatureError unless `key` made `signature` (DER or r‖s) over exactly these bytes."""
    for der in _as_der(signature, key):
        try:
            key.verify(der, body, _SHA512)
        except InvalidSignature:
            continue
        return
    raise SignatureError(SignatureFault.MISMATCH)


def _as_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> Iterator[bytes]:
    # About one r‖s in 256 begins like DER, so each form that fits is tried.
    if signature[0] == 0x30:
        yield signature
    half = (key.curve.key_size + 7) // 8
    if len(signature) == 2 * half:
        yield encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


def parse_public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Read a public key: SPKI or a SEC1 point, as text in whatever form (talkdesk_runtime.key_text).

    Raises KeyFormError for anything else, also for a curve other than P-256, P-384 and P-521.
    """
    if len(text) > _MAX_KEY_TEXT:
        raise KeyFormError("the public key is too long")
    try:
        return _load(key_bytes(text))
    except KeyFormError:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFormError("the public key is neither PEM, SPKI nor a SEC1 point of a known curve") from None


def _load(data: bytes) -> ec.EllipticCurvePublicKey:
    if data[:1] in {b"\x02", b"\x03", b"\x04"}:
        return ec.EllipticCurvePublicKey.from_encoded_point(_curve_of_point(data), data)
    key = serialization.load_der_public_key(data)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise KeyFormError("the public key is of another kind than ECDSA on P-256, P-384 or P-521")
    return key


def _curve_of_point(point: bytes) -> ec.EllipticCurve:
    coordinates = 2 if point[0] == 0x04 else 1
    for curve in _CURVES:
        if len(point) == 1 + coordinates * ((curve.key_size + 7) // 8):
            return curve()
    raise KeyFormError("the public key is a point on no known curve")
