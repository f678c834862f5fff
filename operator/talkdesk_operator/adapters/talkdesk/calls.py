"""Calls as data: what is sent where, for what purpose, and its name in messages and metrics.

Belongs here: the address and body of each call, and the check of its host. Does not belong here: sending, answers.
Source of paths and scopes: `GET /account`; Apps API, operations on installations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Literal
from urllib.parse import quote, urldefrag, urljoin, urlsplit

import orjson
from pydantic import SecretStr

from talkdesk_crds.hosts import ForeignHostError
from talkdesk_operator.domain.ports.talkdesk import Access, Decision, TalkdeskForeignHost, TalkdeskRefused

_VERBS: Final = {Decision.APPROVE: "approve", Decision.REJECT: "reject"}


class Purpose(Enum):
    """What a call is for; it decides what a failure means."""

    READ = "read"
    CHANGE = "change"
    """Has an effect at Talkdesk: when its outcome is lost, it may have happened."""
    TOKEN = "token"  # noqa: S105 - a purpose, no password
    """Asks an identity host for a token; a refusal is about the credentials."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, whose repr shows no secret."""

    name: str
    """For metrics: account, installation, subscription, trial, users, answer, acknowledge, token."""
    action: str
    """What it does, in words: the beginning of an error message."""
    purpose: Purpose
    method: Literal["GET", "POST"]
    url: str
    scope: str = ""
    """OAuth scope that Talkdesk requires for it."""
    content_type: str = ""
    body: bytes | None = field(default=None, repr=False)
    authorization: SecretStr | None = None
    secrets: tuple[SecretStr, ...] = ()
    """What must not be quoted when the response echoes it."""
    status_suffices: bool = False
    """A success needs no body, because nothing in it is read."""

    @property
    def host(self) -> str:
        """The host that it goes to, with the port if there is one."""
        return urlsplit(self.url).netloc.lower()

    @property
    def words(self) -> str:
        """The call and its host in words."""
        return f"{self.action} at {self.host}"

    def with_token(self, token: SecretStr, access: Access) -> "Call":
        """Return the same call with a bearer token."""
        bearer = SecretStr(f"Bearer {token.get_secret_value()}")
        own = access.credentials
        return replace(self, authorization=bearer, secrets=(token, own.client_secret, own.private_key))


def read_account(access: Access) -> Call:
    """Return the call that reads the account of the credentials."""
    url = _url(access, "account")
    return Call("account", "reading the account", Purpose.READ, "GET", url, scope="account:read")


def read_installation(access: Access, app_id: str, installation_id: str) -> Call:
    """Return the call that reads an installation."""
    url = _url(access, "apps", app_id, "installations", installation_id)
    return Call("installation", "reading the installation", Purpose.READ, "GET", url, scope="apps:read")


def read_subscription(access: Access, app_id: str, installation_id: str) -> Call:
    """Return the call that reads an installation's subscription."""
    url = _url(access, "apps", app_id, "installations", installation_id, "subscription")
    return Call("subscription", "reading the subscription", Purpose.READ, "GET", url, scope="apps:read")


def read_trial(access: Access, app_id: str, installation_id: str) -> Call:
    """Return the call that reads an installation's trial."""
    url = _url(access, "apps", app_id, "installations", installation_id, "trial")
    return Call("trial", "reading the trial", Purpose.READ, "GET", url, scope="apps:read")


def read_users(access: Access, app_id: str, installation_id: str) -> Call:
    """Return the call that reads the first page of an installation's users."""
    return _users_page(_url(access, "apps", app_id, "installations", installation_id, "users"))


def read_more_users(access: Access, page: Call, link: str) -> Call:
    """Return the call that reads the page after that one, by its link; raise TalkdeskForeignHost for another host."""
    problem, url = "", ""
    try:
        url = urldefrag(urljoin(page.url, link)).url
    except ValueError:
        problem = "the URL can't be read"
    else:
        problem = _problem_of(access.hosts.check_api, url)
    if problem:
        raise TalkdeskForeignHost(f"{page.action}: the link to the next page was not followed: {problem}")
    return _users_page(url)


def send_answer(access: Access, app_id: str, installation_id: str, decision: Decision, reason: str) -> Call:
    """Return the call that answers the installation's pending request."""
    verb = _VERBS[decision]
    return Call(
        name="answer",
        action=f"answering {verb}",
        purpose=Purpose.CHANGE,
        method="POST",
        url=_url(access, "apps", app_id, "installations", installation_id, "state"),
        scope="apps:write",
        content_type="application/json",
        body=orjson.dumps({"state": verb} | ({"reason": reason} if reason else {})),
    )


def send_acknowledgement(access: Access, app_id: str, installation_id: str, client_id: str) -> Call:
    """Return the call that acknowledges rotated credentials."""
    path = ("apps", app_id, "installations", installation_id, "credentials", client_id, "state")
    return Call(
        name="acknowledge",
        action="acknowledging credentials",
        purpose=Purpose.CHANGE,
        method="POST",
        url=_url(access, *path),
        scope="apps:write",
        content_type="application/json",
        body=orjson.dumps({"state": "acknowledged"}),
        status_suffices=True,
    )


def _users_page(url: str) -> Call:
    return Call("users", "reading the users", Purpose.READ, "GET", url, scope="apps:read")


def _url(access: Access, *segments: str) -> str:
    """Join the base URL and path segments; ids are opaque, so whatever they hold is escaped.

    Hosts are checked here, so that no call to a foreign one can even be described.
    """
    _check_hosts(access)
    for segment in segments:
        # Escaping does not change dots, and URL parsers resolve these two to another address.
        if segment in {"", ".", ".."}:
            raise TalkdeskRefused(f"nothing was sent: {segment!a} can't be an id")
    base = urlsplit(access.api_url)
    path = "/".join(quote(segment, safe="", errors="replace") for segment in segments)
    return f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}/{path}"


def _check_hosts(access: Access) -> None:
    """Raise TalkdeskForeignHost unless both of the access's URLs lead to hosts of the app."""
    hosts = access.hosts
    problem = _problem_of(hosts.check_api, access.api_url) or _problem_of(hosts.check_token, access.token_url)
    if problem:
        raise TalkdeskForeignHost(f"nothing was sent: {problem}")


def _problem_of(check: Callable[[str], None], url: str) -> str:
    """Return what a check finds wrong with a URL, without its path, query or user name."""
    try:
        check(url)
    except ForeignHostError as error:
        return str(error)
    return ""
