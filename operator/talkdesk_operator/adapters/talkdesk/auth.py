"""How the operator authenticates: signed assertions (private_key_jwt) and Basic.

Belongs here: the token request. Does not belong here: caching of tokens, reading of keys.
Source: Talkdesk's signed-jwt, cc-jwt and cc-basic pages; RFC 7523; OpenID Connect Core, 9.
"""

import base64
import uuid
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from joserfc import jwt
from pydantic import SecretStr

from talkdesk_operator.adapters.talkdesk.calls import Call, Purpose
from talkdesk_operator.adapters.talkdesk.keys import KeyRing
from talkdesk_operator.domain.ports.talkdesk import Access, AuthMethod, Credentials, TalkdeskInvalidCredentials

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME: Final = timedelta(minutes=5)
"""As in Talkdesk's examples; the longest that is allowed isn't documented."""
_BACKDATED: Final = timedelta(seconds=10)


def token_call(access: Access, keys: KeyRing, now: datetime) -> Call:
    """Return the call that fetches a token; raise TalkdeskInvalidCredentials when the credentials can't be sent."""
    credentials = access.credentials
    if not credentials.client_id:
        raise TalkdeskInvalidCredentials("the credentials hold no client id")
    form = {"grant_type": "client_credentials"}
    if access.scopes:
        form["scope"] = " ".join(access.scopes)
    secrets = [credentials.client_secret, credentials.private_key]
    authorization = None
    match access.method:
        case AuthMethod.PRIVATE_KEY_JWT:
            assertion = sign_assertion(access, keys, now)
            form |= {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}
            secrets.append(SecretStr(assertion))
        case AuthMethod.BASIC:
            authorization = _basic(credentials)
    return Call(
        name="token",
        action="asking for a token",
        purpose=Purpose.TOKEN,
        method="POST",
        url=access.token_url,
        content_type="application/x-www-form-urlencoded",
        body=urlencode(form).encode(),
        authorization=authorization,
        secrets=tuple(secrets),
    )


def sign_assertion(access: Access, keys: KeyRing, now: datetime) -> str:
    """Sign an assertion for the token endpoint, good for one use within five minutes of its `iat`.

    A server without leeway refuses what was issued in its future, and clocks differ: so `iat` lies a little back.
    """
    credentials = access.credentials
    issued = int((now - _BACKDATED).timestamp())
    header = {"alg": credentials.key_algorithm, "kid": credentials.key_id}
    claims = {
        "jti": str(uuid.uuid4()),
        "iss": credentials.client_id,
        "sub": credentials.client_id,
        "aud": access.token_url,
        "iat": issued,
        "exp": issued + int(_LIFETIME.total_seconds()),
    }
    key = keys.signing_key(credentials, access.holder)
    return jwt.encode(header, claims, key, algorithms=[credentials.key_algorithm])


def _basic(credentials: Credentials) -> SecretStr:
    secret = credentials.client_secret.get_secret_value()
    if not secret:
        raise TalkdeskInvalidCredentials(f"the secret of client {credentials.client_id[:64]!a} is missing")
    pair = f"{credentials.client_id}:{secret}".encode()
    return SecretStr(f"Basic {base64.b64encode(pair).decode()}")
