"""Calls as data: what is sent where, why, and how it is called in words and metrics.

Belongs here: the address and body of each call, and the check of its host. Does not belong here: sending, answers.
Source of paths and scopes: `GET /account`; Apps API, operations on installations.
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Literal
from urllib.parse import quote, urlsplit

import orjson
from pydantic import SecretStr

from talkdesk_crds.hosts import ForeignHostError
from talkdesk_operator.domain.talkdesk import Access, Decision, ForeignHost, Refused

_VERBS: Final = {Decision.APPROVE: "approve", Decision.REJECT: "reject"}


class Purpose(Enum):
    """What a call is for; it decides what a failure means."""

    READ = "read"
    CHANGE = "change"
    """Has an effect at Talkdesk: when its outcome gets lost, it may have happened."""
    TOKEN = "token"  # noqa: S105 - a purpose, no password
    """Asks an identity host for a token; its refusals speak about the credentials."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whose repr shows no secret."""

    name: str
    """For metrics: account, installation, subscription, answer, token."""
    doing: str
    """In words, as the beginning of an error message."""
    purpose: Purpose
    method: Literal["GET", "POST"]
    url: str
    scope: str = ""
    """OAuth scope that Talkdesk wants for it."""
    content_type: str = ""
    body: bytes | None = field(default=None, repr=False)
    authorization: SecretStr | None = None
    secrets: tuple[SecretStr, ...] = ()
    """What must not be quoted, should the answer echo it."""

    @property
    def words(self) -> str:
        """The call and its host in words."""
        return f"{self.doing} at {urlsplit(self.url).netloc}"

    def with_token(self, token: SecretStr, access: Access) -> "Call":
        """Give the same call with a bearer token."""
        bearer = SecretStr(f"Bearer {token.get_secret_value()}")
        kept = access.credentials
        return replace(self, authorization=bearer, secrets=(token, kept.client_secret, kept.private_key))


def read_account(access: Access) -> Call:
    """Describe the call that reads the account of the credentials."""
    url = _url(access, "account")
    return Call("account", "reading the account", Purpose.READ, "GET", url, scope="account:read")


def read_installation(access: Access, app_id: str, installation_id: str) -> Call:
    """Describe the call that reads an installation."""
    url = _url(access, "apps", app_id, "installations", installation_id)
    return Call("installation", "reading the installation", Purpose.READ, "GET", url, scope="apps:read")


def read_subscription(access: Access, app_id: str, installation_id: str) -> Call:
    """Describe the call that reads an installation's subscription."""
    url = _url(access, "apps", app_id, "installations", installation_id, "subscription")
    return Call("subscription", "reading the subscription", Purpose.READ, "GET", url, scope="apps:read")


def send_answer(access: Access, app_id: str, installation_id: str, decision: Decision, reason: str) -> Call:
    """Describe the call that answers the installation's pending request."""
    verb = _VERBS[decision]
    return Call(
        name="answer",
        doing=f"answering {verb}",
        purpose=Purpose.CHANGE,
        method="POST",
        url=_url(access, "apps", app_id, "installations", installation_id, "state"),
        scope="apps:write",
        content_type="application/json",
        body=orjson.dumps({"state": verb} | ({"reason": reason} if reason else {})),
    )


def _url(access: Access, *segments: str) -> str:
    """Join the base URL and path segments; ids are opaque, so whatever they hold is escaped.

    Hosts are checked here, so that no call to a foreign one can even be described.
    """
    _check_hosts(access)
    for segment in segments:
        # Escaping leaves dots alone, and URL parsers resolve these two to another address.
        if segment in {"", ".", ".."}:
            raise Refused(f"nothing was sent: {segment!a} can't be an id")
    base = urlsplit(access.api_url)
    path = "/".join(quote(segment, safe="", errors="replace") for segment in segments)
    return f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}/{path}"


def _check_hosts(access: Access) -> None:
    """Raise ForeignHost unless both of the access's URLs lead to hosts of the app."""
    problem = ""
    try:
        access.hosts.check_api(access.api_url)
        access.hosts.check_token(access.token_url)
    except ForeignHostError as error:
        problem = str(error)
    if problem:
        raise ForeignHost(f"nothing was sent: {problem}")
