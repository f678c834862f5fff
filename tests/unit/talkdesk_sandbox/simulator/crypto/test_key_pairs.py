import base64
from typing import Literal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from talkdesk_sandbox.simulator.crypto.key_pairs import KeyPairFactory
from talkdesk_sandbox.simulator.settings import KeyAlgorithm

MAKER = KeyPairFactory(rsa_pool=1)


@pytest.mark.parametrize(
    ("algorithm", "kind", "bits"),
    [
        ("ES256", ec.EllipticCurvePrivateKey, 256),
        ("ES384", ec.EllipticCurvePrivateKey, 384),
        ("ES512", ec.EllipticCurvePrivateKey, 521),
        ("PS256", rsa.RSAPrivateKey, 2048),
        ("PS384", rsa.RSAPrivateKey, 2048),
        ("PS512", rsa.RSAPrivateKey, 2048),
    ],
)
@pytest.mark.parametrize("form", ["pkcs8", "sec1"])
@pytest.mark.parametrize("armor", ["none", "pem"])
def test_a_key_of_each_algorithm_can_be_encoded_in_each_form(
    algorithm: KeyAlgorithm,
    kind: type[ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey],
    bits: int,
    form: Literal["pkcs8", "sec1"],
    armor: Literal["none", "pem"],
) -> None:
    pair = MAKER.make(algorithm)
    text = pair.encode_private(form, armor)
    if armor == "pem":
        loaded = serialization.load_pem_private_key(text.encode(), None)
        assert ("BEGIN PRIVATE KEY" in text) == (form == "pkcs8")
    else:
        assert "\n" not in text
        loaded = serialization.load_der_private_key(base64.b64decode(text), None)
    assert isinstance(loaded, kind)
    assert loaded.key_size == bits
    public = serialization.load_der_public_key(base64.b64decode(pair.encode_public()))
    assert public == loaded.public_key()


def test_ec_keys_are_fresh_and_rsa_keys_come_from_the_pool() -> None:
    assert MAKER.make("ES256").encode_public() != MAKER.make("ES256").encode_public()
    assert MAKER.make("PS256").encode_public() == MAKER.make("PS512").encode_public()


def test_the_repr_of_a_key_pair_does_not_have_the_private_key() -> None:
    pair = MAKER.make("ES256")
    assert pair.encode_private("pkcs8", "none") not in repr(pair)
    assert "private" not in repr(pair)
