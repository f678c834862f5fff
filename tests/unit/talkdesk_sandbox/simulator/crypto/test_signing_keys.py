import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from talkdesk_sandbox.simulator.crypto.signing_keys import SigningKeys
from talkdesk_sandbox.simulator.settings import Curve

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CURVES: dict[Curve, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def load(text: str, form: str, curve: Curve) -> Any:
    decoded = base64.b64decode(text)
    match form:
        case "spki":
            return serialization.load_der_public_key(decoded)
        case "pem":
            return serialization.load_pem_public_key(decoded)
        case _:
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[curve], decoded)


def to_der(signature: str, form: str) -> bytes:
    raw = bytes.fromhex(signature)
    if form == "der":
        return raw
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


@pytest.mark.case(6)
@pytest.mark.parametrize("curve", list(CURVES))
@pytest.mark.parametrize("form", ["der", "raw"])
@pytest.mark.parametrize("key_form", ["spki", "pem", "sec1"])
def test_each_form_of_signature_and_key_verifies_over_the_raw_body(
    curve: Curve, form: Literal["der", "raw"], key_form: Literal["spki", "pem", "sec1"]
) -> None:
    key = SigningKeys(curve, NOW).current
    public = load(key.public(key_form), key_form, curve)
    signature = to_der(key.sign(b'{"a": 1}', form), form)
    public.verify(signature, b'{"a": 1}', ec.ECDSA(hashes.SHA512()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, b'{"a":1}', ec.ECDSA(hashes.SHA512()))


@pytest.mark.parametrize(("curve", "length"), [("P-256", 64), ("P-384", 96), ("P-521", 132)])
def test_a_raw_signature_is_as_wide_as_its_curve(curve: Curve, length: int) -> None:
    assert len(bytes.fromhex(SigningKeys(curve, NOW).current.sign(b"x", "raw"))) == length


def test_a_replaced_key_is_served_until_the_grace_period_ends() -> None:
    keys = SigningKeys("P-256", NOW)
    old = keys.current
    new = keys.rotate("P-384", NOW, timedelta(days=1))
    assert keys.current is new
    assert keys.find(old.key_id, NOW + timedelta(hours=23)) is old
    assert keys.find(old.key_id, NOW + timedelta(days=1)) is None
    assert keys.find(new.key_id, NOW + timedelta(days=365)) is new
    assert keys.find("unknown", NOW) is None
