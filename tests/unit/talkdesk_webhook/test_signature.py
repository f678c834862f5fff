import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from builders.events import Signer
from talkdesk_webhook.signature import (
    KeyFormError,
    SignatureError,
    SignatureFault,
    SignatureHeaders,
    parse_public_key,
    verify,
)

CURVES = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
BODY = '{"type": "app.installed", "name": "Ünïcode 🎧"}'.encode()


def _encodings(key: Any) -> dict[str, str]:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem.decode(),
        "pem with escaped line breaks": pem.decode().replace("\n", "\\n"),
        "pem with line breaks escaped twice": pem.decode().replace("\n", "\\\\r\\\\n"),
        "pem in one line": pem.decode().replace("\n", " "),
        "pem in base64": base64.b64encode(pem).decode(),
        "spki": base64.b64encode(spki).decode(),
        "spki, URL alphabet, unpadded": base64.urlsafe_b64encode(spki).decode().rstrip("="),
        "spki in lines": base64.encodebytes(spki).decode(),
        "point": base64.b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode(),
        "compressed point": base64.b64encode(key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)).decode(),
    }


@pytest.mark.case(6)
@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@pytest.mark.parametrize("form", ["der", "raw"])
def test_every_form_of_key_and_signature_verifies_on_every_curve(curve: ec.EllipticCurve, form: Any) -> None:
    signer = Signer(private=ec.generate_private_key(curve))
    for text in _encodings(signer.private.public_key()).values():
        verify(parse_public_key(text), signer.sign(BODY, form), BODY)


def test_a_raw_signature_that_begins_like_der_still_verifies() -> None:
    signer = Signer()
    signature = next(s for s in (signer.sign(BODY, "raw") for _ in range(100_000)) if s[0] == 0x30)
    verify(signer.private.public_key(), signature, BODY)


@pytest.mark.case(6)
@pytest.mark.parametrize(
    "other",
    [BODY + b" ", BODY.replace(b": ", b":"), BODY[:-1], b""],
    ids=["one byte more", "serialised anew", "one byte less", "empty"],
)
@pytest.mark.parametrize("form", ["der", "raw"])
def test_a_signature_is_valid_for_its_exact_bytes_only(other: bytes, form: Any) -> None:
    signer = Signer()
    with pytest.raises(SignatureError) as caught:
        verify(signer.private.public_key(), signer.sign(BODY, form), other)
    assert caught.value.fault is SignatureFault.MISMATCH


@pytest.mark.case(67)
def test_a_signature_of_another_key_is_invalid() -> None:
    with pytest.raises(SignatureError):
        verify(Signer().private.public_key(), Signer().sign(BODY), BODY)


@given(st.binary(min_size=1, max_size=160))
def test_no_signature_bytes_cause_an_unexpected_error(signature: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(_KEY, signature, BODY)


_KEY = ec.derive_private_key(7, ec.SECP256R1()).public_key()


@pytest.mark.parametrize("half", [b"\0" * 32, b"\xff" * 32])
def test_numbers_outside_the_curve_are_a_mismatch(half: bytes) -> None:
    with pytest.raises(SignatureError) as caught:
        verify(_KEY, half * 2, BODY)
    assert caught.value.fault is SignatureFault.MISMATCH


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_no_key_text_causes_an_unexpected_error(text: str) -> None:
    with pytest.raises(KeyFormError):
        parse_public_key(text)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.SECP224R1()).public_key(),
    ],
    ids=["rsa", "ed25519", "secp256k1", "p-224"],
)
def test_keys_of_another_kind_are_refused(key: Any) -> None:
    for encoding in (Encoding.PEM, Encoding.DER):
        raw = key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        text = raw.decode() if encoding is Encoding.PEM else base64.b64encode(raw).decode()
        with pytest.raises(KeyFormError):
            parse_public_key(text)


def test_a_private_key_or_an_endless_one_is_no_public_key() -> None:
    with pytest.raises(KeyFormError):
        parse_public_key("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
    with pytest.raises(KeyFormError, match="too long"):
        parse_public_key("A" * 5000)


@pytest.mark.case(6)
@pytest.mark.parametrize(
    ("signatures", "key_ids", "fault"),
    [
        ([], ["key"], SignatureFault.MISSING),
        (["ab" * 70], [], SignatureFault.MISSING),
        (["ab" * 70, "ab" * 70], ["key"], SignatureFault.MISSING),
        (["ab" * 70], ["key", "other"], SignatureFault.MISSING),
        (["zz" * 70], ["key"], SignatureFault.MALFORMED),
        (["ab" * 70 + "a"], ["key"], SignatureFault.MALFORMED),
        (["ab " * 70], ["key"], SignatureFault.MALFORMED),
        ([""], ["key"], SignatureFault.MALFORMED),
        (["ab" * 7], ["key"], SignatureFault.MALFORMED),
        (["ab" * 100_000], ["key"], SignatureFault.MALFORMED),
        (["ab" * 70], [""], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], [".."], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], ["../../oauth/token"], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], ["key?x=1"], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], ["schlüssel"], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], ["key\n"], SignatureFault.MALFORMED_KEY_ID),
        (["ab" * 70], ["k" * 129], SignatureFault.MALFORMED_KEY_ID),
    ],
)
def test_each_kind_of_bad_header_has_its_own_fault(
    signatures: list[str], key_ids: list[str], fault: SignatureFault
) -> None:
    with pytest.raises(SignatureError) as caught:
        SignatureHeaders.read(signatures, key_ids)
    assert caught.value.fault is fault


def test_hex_may_be_in_capitals() -> None:
    assert SignatureHeaders.read(["AB" * 64], ["Key-1.a_b"]) == SignatureHeaders("Key-1.a_b", b"\xab" * 64)
