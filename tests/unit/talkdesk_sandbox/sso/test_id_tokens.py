"""What proves who a user is, and what does not."""

import base64
import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from builders.id_token_issuer import CLIENT, ISSUER, KEYS_AT, IdTokenIssuer, new_key
from talkdesk_sandbox.sso.id_tokens import IdTokenInvalid, IdTokenOutdated, IdTokenVerifier


@pytest.fixture
def issuer() -> IdTokenIssuer:
    return IdTokenIssuer()


def verifier_of(issuer: IdTokenIssuer) -> IdTokenVerifier:
    return IdTokenVerifier(issuer.http, issuer=ISSUER, client_id=CLIENT, key_set_url=KEYS_AT, clock=issuer.clock)


async def test_a_token_says_who_it_is_and_since_when(issuer: IdTokenIssuer) -> None:
    verifier = verifier_of(issuer)
    first = await verifier.verify(issuer.token())
    assert (first.user, first.name, first.began) == ("user-1", "Ana", int(issuer.now))
    assert (await verifier.verify(issuer.token(aud=["another", CLIENT], name=None))).name == "user-1"
    assert issuer.asked == 1


async def test_the_time_of_the_login_goes_before_that_of_the_token(issuer: IdTokenIssuer) -> None:
    login = int(issuer.now) - 300
    assert (await verifier_of(issuer).verify(issuer.token(auth_time=login))).began == login


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://beta.talkdeskid.com"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": True},
        {"iat": None},
        {"iat": "now"},
        {"auth_time": "then"},
    ],
)
async def test_a_token_of_somebody_else_or_with_a_claim_amiss_proves_nothing(
    issuer: IdTokenIssuer, claims: dict[str, Any]
) -> None:
    with pytest.raises(IdTokenInvalid):
        await verifier_of(issuer).verify(issuer.token(**claims))


async def test_a_token_from_the_future_proves_nothing(issuer: IdTokenIssuer) -> None:
    with pytest.raises(IdTokenInvalid):
        await verifier_of(issuer).verify(issuer.token(iat=int(issuer.now) + 120, exp=int(issuer.now) + 900))


@pytest.mark.parametrize("audience", ["client-of-beta", ["client-of-beta"], None, 7])
async def test_a_token_for_another_client_proves_nothing_here(issuer: IdTokenIssuer, audience: Any) -> None:
    with pytest.raises(IdTokenOutdated):
        await verifier_of(issuer).verify(issuer.token(aud=audience))


async def test_an_expired_token_is_told_from_one_that_never_was_right(issuer: IdTokenIssuer) -> None:
    with pytest.raises(IdTokenOutdated):
        await verifier_of(issuer).verify(issuer.token(exp=int(issuer.now)))
    with pytest.raises(IdTokenInvalid) as problem:
        await verifier_of(issuer).verify(issuer.token(new_key(), exp=int(issuer.now)))
    assert problem.type is IdTokenInvalid


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "e30.e30.", "\u00e9.\u00e9.\u00e9", "e30.W10.AAAA"])
async def test_text_that_is_no_token_proves_nothing(issuer: IdTokenIssuer, text: str) -> None:
    with pytest.raises(IdTokenInvalid):
        await verifier_of(issuer).verify(text)


async def test_a_token_without_a_signature_or_signed_with_the_public_key_proves_nothing(issuer: IdTokenIssuer) -> None:
    verifier, (_, body, signature) = verifier_of(issuer), issuer.token().split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": issuer.key.kid}).encode()).rstrip(b"=").decode()
    public = issuer.key.as_pem(private=False)
    claims = {"iss": ISSUER, "aud": CLIENT, "sub": "user-1", "iat": int(issuer.now), "exp": int(issuer.now) + 600}
    by_public_key = jwt.encode(
        {"alg": "HS256", "kid": issuer.key.kid},
        claims,
        OctKey.import_key(base64.b64encode(public)),
        algorithms=["HS256"],
    )
    for forged in (f"{head}.{body}.", f"{head}.{body}.{signature}", by_public_key):
        with pytest.raises(IdTokenInvalid):
            await verifier.verify(forged)


async def test_a_new_key_is_asked_for_and_made_up_ones_do_not_cause_a_flood(issuer: IdTokenIssuer) -> None:
    verifier = verifier_of(issuer)
    await verifier.verify(issuer.token())
    for _ in range(20):
        with pytest.raises(IdTokenInvalid):
            await verifier.verify(issuer.token(new_key()))
    assert issuer.asked == 1
    issuer.key = new_key()
    issuer.now += 11
    assert (await verifier.verify(issuer.token())).user == "user-1"
    assert issuer.asked == 2


async def test_without_keys_nobody_is_believed(issuer: IdTokenIssuer) -> None:
    verifier, issuer.down = verifier_of(issuer), True
    for _ in range(2):
        with pytest.raises(httpx.HTTPError):
            await verifier.verify(issuer.token())
    issuer.down = False
    issuer.now += 11
    assert (await verifier.verify(issuer.token())).user == "user-1"
