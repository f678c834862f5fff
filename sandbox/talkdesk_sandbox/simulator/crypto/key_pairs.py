"""Key pairs of installations: generated, and encoded in each form that Talkdesk has been seen or said to use.

Belongs here: generating and encoding. Does not belong here: who owns a key, checking assertions.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc.jwk import ECKey, RSAKey

from talkdesk_sandbox.simulator.settings import Curve, KeyAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_RSA_BITS = 2048
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
_CURVE_OF: dict[str, Curve] = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def generate_ec(curve: Curve) -> ec.EllipticCurvePrivateKey:
    """Generate a key on a curve."""
    return ec.generate_private_key(_CURVES[curve]())


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An installation's key pair. Never printed."""

    algorithm: KeyAlgorithm
    private: PrivateKey = field(repr=False)
    verifier: ECKey | RSAKey = field(repr=False)

    def encode_private(self, form: Literal["pkcs8", "sec1"], armor: Literal["none", "pem"]) -> str:
        """Return the private key as text; `sec1` means PKCS#1 for an RSA key."""
        private_format = (
            serialization.PrivateFormat.PKCS8 if form == "pkcs8" else serialization.PrivateFormat.TraditionalOpenSSL
        )
        encoding = serialization.Encoding.PEM if armor == "pem" else serialization.Encoding.DER
        encoded = self.private.private_bytes(encoding, private_format, serialization.NoEncryption())
        return encoded.decode("ascii") if armor == "pem" else base64.b64encode(encoded).decode("ascii")

    def encode_public(self) -> str:
        """Return the public key as base64 of SPKI DER on one line."""
        return base64.b64encode(self.private.public_key().public_bytes(serialization.Encoding.DER, _SPKI)).decode(
            "ascii"
        )


class KeyPairFactory:
    """Generates key pairs. RSA keys take long to generate, so a few are reused in turn."""

    def __init__(self, rsa_pool: int = 2) -> None:
        self._rsa_pool = rsa_pool
        self._rsa: list[rsa.RSAPrivateKey] = []
        self._rsa_used = 0

    def make(self, algorithm: KeyAlgorithm) -> KeyPair:
        """Return a key pair for an algorithm: a fresh EC key, or the next RSA key of the pool."""
        private = generate_ec(_CURVE_OF[algorithm]) if algorithm in _CURVE_OF else self._next_rsa()
        public = private.public_key().public_bytes(serialization.Encoding.PEM, _SPKI)
        kind = ECKey if algorithm in _CURVE_OF else RSAKey
        return KeyPair(algorithm, private, kind.import_key(public))

    def _next_rsa(self) -> rsa.RSAPrivateKey:
        if len(self._rsa) < self._rsa_pool:
            self._rsa.append(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
            return self._rsa[-1]
        self._rsa_used += 1
        return self._rsa[self._rsa_used % self._rsa_pool]
