"""Private keys in every form that Talkdesk or a person may bring."""

import base64
import gc
import json
import textwrap
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from scripted_talkdesk import credentials, ec_key, pem, rsa_key
from talkdesk_operator.adapters.talkdesk.keys import KeyRing, fingerprint, read_key
from talkdesk_operator.domain.ports.talkdesk import TalkdeskInvalidCredentials

PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
SEC1 = PrivateFormat.TraditionalOpenSSL


def bare(text: str) -> str:
    return "".join(line for line in text.splitlines() if not line.startswith("-"))


FORMS: dict[str, Callable[[Any], str]] = {
    "PKCS#8 PEM": pem,
    "SEC1 or PKCS#1 PEM": lambda key: pem(key, SEC1),
    "bare base64": lambda key: bare(pem(key)),
    "bare base64 of SEC1": lambda key: bare(pem(key, SEC1)),
    "bare base64 in lines": lambda key: "\n".join(textwrap.wrap(bare(pem(key)), 64)) + "\r\n",
    "PEM in one line": lambda key: pem(key).replace("\n", " "),
    "PEM with escaped line breaks": lambda key: pem(key).replace("\n", "\\n"),
    "PEM with line breaks escaped twice": lambda key: pem(key).replace("\n", "\\\\n"),
    "PEM with escaped Windows line breaks": lambda key: pem(key).replace("\n", "\\r\\n"),
    "PEM with Windows line breaks": lambda key: pem(key).replace("\n", "\r\n"),
    "PEM in quotes": lambda key: json.dumps(pem(key)),
    "PEM in base64": lambda key: base64.b64encode(pem(key).encode()).decode(),
    "bare base64 in quotes": lambda key: f'"{bare(pem(key))}"',
    "bare base64 with escaped line breaks": lambda key: "\\\\n".join(textwrap.wrap(bare(pem(key)), 64)),
    "bare base64 for URLs": lambda key: bare(pem(key)).replace("+", "-").replace("/", "_").rstrip("="),
    "PEM after its parameters": lambda key: (
        f"-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n{pem(key)}"
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("ES256", ec_key("secp256r1")),
        ("ES384", ec_key("secp384r1")),
        ("ES512", ec_key("secp521r1")),
        ("PS256", rsa_key()),
        ("PS384", rsa_key()),
        ("PS512", rsa_key()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_key_is_read_in_any_form(algorithm: str, key: Any, form: str) -> None:
    found = read_key(credentials(private_key=FORMS[form](key), key_algorithm=algorithm))
    assert found.as_dict(private=True)["d"] == type(found)(key, key).as_dict(private=True)["d"]


@pytest.mark.parametrize(
    ("key", "algorithm", "words"),
    [
        ("", "ES256", "is missing"),
        (" \n", "ES256", "is missing"),
        ("canary", "ES256", "can't be read"),
        ("canary!", "ES256", "can't be read"),
        ("\u00e9", "ES256", "can't be read"),
        ("\ud800", "ES256", "can't be read"),
        (pem(ec_key())[:90], "ES256", "can't be read"),
        ("A" * 17_000, "ES256", "longer than"),
        (pem(ec_key()), "ES384", "secp256r1, which doesn't fit the algorithm 'ES384'"),
        (pem(ec_key("secp256k1")), "ES256", "secp256k1, which doesn't fit"),
        (pem(ec_key()), "PS256", "EC key"),
        (pem(ec_key()), "none", "doesn't fit the algorithm 'none'"),
        (pem(rsa_key()), "ES256", "RSA key"),
        (pem(rsa_key()), "RS256", "RSA key"),
        (pem(rsa_key(1024)), "PS256", "1024 bits"),
        (
            ec_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode(),
            "ES256",
            "encrypted with a password",
        ),
        (
            ed25519.Ed25519PrivateKey.generate()
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "ES256",
            "neither an EC nor an RSA key",
        ),
    ],
    ids=lambda value: value if len(value) < 30 and value.isascii() and "-----" not in value else "key",
)
@pytest.mark.case(24, 61)
def test_a_key_that_cant_be_used_is_described_and_never_quoted(key: str, algorithm: str, words: str) -> None:
    with pytest.raises(TalkdeskInvalidCredentials, match=words) as failure:
        read_key(credentials(private_key=key, key_algorithm=algorithm))
    assert "canary" not in str(failure.value)
    assert failure.value.__context__ is None


def test_a_key_is_read_once_and_again_after_a_correction() -> None:
    ring = KeyRing(size=2)
    first = credentials()
    read = ring.signing_key(first, "i1")
    assert ring.signing_key(credentials(), "i1") is read
    corrected = credentials(private_key=pem(ec_key("secp384r1")), key_algorithm="ES384")
    assert ring.signing_key(corrected, "i1") is not read


@pytest.mark.case(62)
def test_of_an_installation_no_more_than_the_last_key_is_kept_and_none_once_it_is_forgotten() -> None:
    ring = KeyRing(size=5)
    replaced = weakref.ref(ring.signing_key(credentials(key_id="a"), "i1"))
    last = weakref.ref(ring.signing_key(credentials(key_id="b"), "i1"))
    gc.collect()
    assert replaced() is None
    assert last() is not None
    ring.forget("i1")
    ring.forget("i2")
    gc.collect()
    assert last() is None


def test_the_number_of_cached_keys_is_bounded() -> None:
    ring = KeyRing(size=2)
    oldest = ring.signing_key(credentials(), "a")
    kept = ring.signing_key(credentials(), "b")
    assert ring.signing_key(credentials(), "a") is oldest
    ring.signing_key(credentials(), "c")
    assert ring.signing_key(credentials(), "a") is oldest
    assert ring.signing_key(credentials(), "b") is not kept


@pytest.mark.parametrize("field", ["client_id", "client_secret", "private_key", "key_id", "key_algorithm"])
def test_credentials_that_differ_anywhere_have_different_fingerprints(field: str) -> None:
    assert fingerprint(credentials()) == fingerprint(credentials())
    assert fingerprint(credentials()) != fingerprint(credentials(**{field: "x"}))


def test_moving_characters_between_fields_changes_the_fingerprint() -> None:
    assert fingerprint(credentials(client_id="ab", key_id="c")) != fingerprint(credentials(client_id="a", key_id="bc"))
