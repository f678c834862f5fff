"""Token requests as a token endpoint sees them, checked with the public key."""

import base64
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from scripted_talkdesk import ScriptedTalkdesk, access, credentials, ec_key, pem, reply, rsa_key
from talkdesk_operator.adapters.talkdesk import TalkdeskClient
from talkdesk_operator.domain.ports.talkdesk import AuthMethod, TalkdeskInvalidCredentials

TOKEN = "/acme/oauth/token"


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
async def test_an_assertion_verifies_and_says_what_talkdesk_documents(
    client: TalkdeskClient, talkdesk: ScriptedTalkdesk, algorithm: str, key: Any
) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    there = access(talkdesk.url, credentials=credentials(private_key=pem(key), key_algorithm=algorithm))
    before = int(time.time())
    await client.account(there)
    form = parse_qs(talkdesk.calls(TOKEN)[0].body.decode(), strict_parsing=True)
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["apps:read apps:write"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    public = (RSAKey if algorithm.startswith("PS") else ECKey)(key.public_key(), key.public_key())
    assertion = jwt.decode(form["client_assertion"][0], public, algorithms=[algorithm])
    assert assertion.header == {"typ": "JWT", "alg": algorithm, "kid": "key-1"}
    claims = assertion.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("client-1", "client-1", there.token_url)
    assert before - 10 <= claims["iat"] <= datetime.now(UTC).timestamp() - 10
    assert claims["exp"] == claims["iat"] + 300


async def test_each_assertion_is_for_one_use(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    for _ in range(2):
        await client.account(access(talkdesk.url))
        client.forget(access(talkdesk.url).holder)
    sent = [parse_qs(call.body.decode())["client_assertion"][0] for call in talkdesk.calls(TOKEN)]
    key = ECKey(ec_key().public_key(), ec_key().public_key())
    assert len({jwt.decode(assertion, key).claims["jti"] for assertion in sent}) == 2


async def test_basic_sends_id_and_secret_in_the_header_only(client: TalkdeskClient, talkdesk: ScriptedTalkdesk) -> None:
    talkdesk.on("/account", reply(content={"id": "acc"}))
    await client.account(access(talkdesk.url, method=AuthMethod.BASIC, scopes=()))
    (call,) = talkdesk.calls(TOKEN)
    scheme, _, pair = call.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"client-1:canary-client-secret")
    assert call.body == b"grant_type=client_credentials"
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.case(24)
@pytest.mark.parametrize(
    ("overrides", "method", "words"),
    [
        ({"client_id": ""}, AuthMethod.BASIC, "no client id"),
        ({"client_secret": ""}, AuthMethod.BASIC, "secret of client 'client-1' is missing"),
        ({"private_key": ""}, AuthMethod.PRIVATE_KEY_JWT, "private key of client 'client-1' is missing"),
    ],
)
async def test_incomplete_credentials_are_refused_before_anything_is_sent(
    client: TalkdeskClient,
    talkdesk: ScriptedTalkdesk,
    overrides: dict[str, str],
    method: AuthMethod,
    words: str,
) -> None:
    with pytest.raises(TalkdeskInvalidCredentials, match=words):
        await client.account(access(talkdesk.url, method=method, credentials=credentials(**overrides)))
    assert talkdesk.seen == []
