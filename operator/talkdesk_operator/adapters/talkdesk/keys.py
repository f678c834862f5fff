"""Private keys as Talkdesk sends them, read for signing.

Belongs here: reading a key in any of its forms, and the check that it fits its algorithm.
Does not belong here: claims, tokens.

Talkdesk's event holds PKCS#8 as bare base64, its older examples SEC1, and people who import an installation by hand
bring PEM, in what form is said in talkdesk_runtime.key_text.
"""

import hashlib
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc.jwk import ECKey, RSAKey

from talkdesk_operator.domain.ports.talkdesk import Credentials, TalkdeskInvalidCredentials
from talkdesk_runtime.key_text import key_bytes
from talkdesk_runtime.lru import LruMap

SigningKey: TypeAlias = ECKey | RSAKey

_MAX_BYTES: Final = 6_144
"""An RSA key of 8192 bits fits; checking a bigger one would hold everything else up for seconds."""
_MIN_RSA_BITS: Final = 2048
"""RFC 7518, 3.5."""
_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_RSA_ALGORITHMS: Final = frozenset({"PS256", "PS384", "PS512"})


def fingerprint(credentials: Credentials) -> bytes:
    """Return what identifies a credential version by everything in it, and reveals none of it.

    Ids alone would not suffice: a secret corrected by hand keeps its key id, and a stranger who knows an id must not
    get another customer's token.
    """
    digest = hashlib.sha256()
    for part in (
        credentials.client_id,
        credentials.key_id,
        credentials.key_algorithm,
        credentials.client_secret.get_secret_value(),
        credentials.private_key.get_secret_value(),
    ):
        data = part.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


class KeyRing:
    """Keys that were read already: checking an RSA key of 2048 bits takes 50 ms, an EC key 0.1 ms.

    Of each installation there is one at most, the last that was asked for: what a rotation has replaced is not kept.
    """

    def __init__(self, size: int) -> None:
        """Keep the keys of up to `size` installations."""
        self._keys: LruMap[str, tuple[bytes, SigningKey]] = LruMap(size)

    def signing_key(self, credentials: Credentials, holder: str) -> SigningKey:
        """Return the private key of an installation; raise TalkdeskInvalidCredentials, which says why not."""
        version, known = fingerprint(credentials), self._keys.get(holder)
        if known is not None and known[0] == version:
            return known[1]
        key = read_key(credentials)
        self._keys.put(holder, (version, key))
        return key

    def forget(self, holder: str) -> None:
        """Keep nothing of this installation."""
        self._keys.pop(holder)


def read_key(credentials: Credentials) -> SigningKey:
    """Return the private key when it fits `key_algorithm`; raise TalkdeskInvalidCredentials."""
    where = f"the private key of client {credentials.client_id[:64]!a}"
    text = credentials.private_key.get_secret_value()
    if not text.strip():
        raise TalkdeskInvalidCredentials(f"{where} is missing")
    problem, key = _load(text)
    if key is None:
        raise TalkdeskInvalidCredentials(f"{where} {problem}")
    misfit = _misfit(key, credentials.key_algorithm)
    if misfit is not None:
        raise TalkdeskInvalidCredentials(f"{where} {misfit}")
    return ECKey(key, key) if isinstance(key, EllipticCurvePrivateKey) else RSAKey(key, key)


_Native: TypeAlias = EllipticCurvePrivateKey | RSAPrivateKey


def _load(text: str) -> tuple[str, _Native | None]:
    """Return the key, or what is wrong with it; the library's own words could quote the key, so none are kept."""
    try:
        data = key_bytes(text)
        if len(data) > _MAX_BYTES:
            return f"is longer than {_MAX_BYTES} bytes", None
        key = load_der_private_key(data, password=None)
    except TypeError:
        return "is encrypted with a password", None
    except (ValueError, UnsupportedAlgorithm):
        return "can't be read as PKCS#8 or SEC1, neither as PEM nor as base64", None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        return "is neither an EC nor an RSA key", None
    return "", key


def _misfit(key: _Native, algorithm: str) -> str | None:
    match key:
        case EllipticCurvePrivateKey():
            if _CURVES.get(algorithm) != key.curve.name:
                return f"is an EC key on {key.curve.name}, which doesn't fit the algorithm {algorithm[:16]!a}"
        case RSAPrivateKey():
            if algorithm not in _RSA_ALGORITHMS:
                return f"is an RSA key, which doesn't fit the algorithm {algorithm[:16]!a}"
            if key.key_size < _MIN_RSA_BITS:
                return f"has {key.key_size} bits, and {_MIN_RSA_BITS} are the least that is allowed"
    return None
