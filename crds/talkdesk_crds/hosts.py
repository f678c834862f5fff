"""Talkdesk's regions and the hosts that an app may talk to.

Belongs here: which host serves which region, and the check that a URL leads to one of an app's own hosts. It is
made before the first call and before any link of an event is stored: a signed event, a hand-written object and
a configuration mistake can all carry a URL of another region, or of somebody else.
Does not belong here: requests, name resolution, credentials.

Where the table comes from: US, EU and CA are documented by Talkdesk. For AU, sources disagree about the API
gateway (`api.mytalkdesk.au`, `api.talkdeskapp.au`), so both are allowed; its identity domain is documented. For
UK only the API gateway is known. No identity domain is guessed for it, because client credentials would be sent
there: such an app names its hosts with explicit endpoints.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

__all__ = ["ForeignHostError", "HostAllowList", "Region", "UnreadableUrlError", "api_url"]

_ACCOUNT: Final = "{account}"
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_MAX_URL: Final = 2048
"""More than any real link; parsers differ on what they do with longer ones."""
_MAX_HOST: Final = 253
"""RFC 1035's bound in text form; it also bounds the messages."""
_PORTS: Final = {"https": 443, "http": 80}


class Region(StrEnum):
    """A Talkdesk deployment; accounts, apps and credentials of one don't exist in another."""

    US = "US"
    EU = "EU"
    CA = "CA"
    AU = "AU"
    UK = "UK"


@dataclass(frozen=True, slots=True)
class _Hosts:
    gateways: tuple[str, ...]
    """API gateways; the first is used where no link of an event says otherwise."""
    identity: str | None
    """The domain under which each account has its own token host."""


_REGIONS: Final = {
    Region.US: _Hosts(("api.talkdeskapp.com",), "talkdeskid.com"),
    Region.EU: _Hosts(("api.talkdeskapp.eu",), "talkdeskid.eu"),
    Region.CA: _Hosts(("api.talkdeskappca.com",), "talkdeskidca.com"),
    Region.AU: _Hosts(("api.mytalkdesk.au", "api.talkdeskapp.au"), "talkdeskid.au"),
    Region.UK: _Hosts(("api.talkdeskapp.co.uk",), None),
}


class ForeignHostError(ValueError):
    """The URL doesn't lead to a host of this app; the message never holds its path, query or user name."""


class UnreadableUrlError(ForeignHostError):
    """It is no URL that parsers agree on, so it leads to no host."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Scheme, host and port; a host that begins with `{account}.` stands for any one label in that place."""

    scheme: str
    host: str
    port: int

    @property
    def text(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def covers(self, other: "_Origin") -> bool:
        if (self.scheme, self.port) != (other.scheme, other.port):
            return False
        if not self.host.startswith(f"{_ACCOUNT}."):
            return self.host == other.host
        label, _, domain = other.host.partition(".")
        return domain == self.host.removeprefix(f"{_ACCOUNT}.") and _LABEL.fullmatch(label) is not None


def api_url(region: Region) -> str:
    """Return the base URL of the region's API gateway, without a slash at the end."""
    return f"https://{_REGIONS[region].gateways[0]}"


@dataclass(frozen=True, slots=True)
class HostAllowList:
    """The hosts that one app may talk to: its API gateways and its token hosts."""

    api_url: str
    """Base URL of the API gateway, for whoever has no link of an event."""
    token_template: str | None
    """Token URL with `{account}` in the place of the account's name; None where no identity domain is known."""
    gateways: tuple[_Origin, ...]
    identity: tuple[_Origin, ...]

    @classmethod
    def for_region(cls, region: Region) -> Self:
        """Allow the region's API gateways, and one token host per account under its identity domain."""
        hosts = _REGIONS[region]
        token_url = None if hosts.identity is None else f"https://{_ACCOUNT}.{hosts.identity}/oauth/token"
        return cls(
            api_url=api_url(region),
            token_template=token_url,
            gateways=tuple(_Origin("https", name, 443) for name in hosts.gateways),
            identity=() if token_url is None else (_origin(token_url, template=True),),
        )

    @classmethod
    def for_endpoints(cls, api: str, token: str, *, allow_insecure: bool) -> Self:
        """Allow exactly the hosts of two URLs; `{account}` in `token` stands for the account's name.

        `https://{account}.example.com/oauth/token` allows one label in that place, never more or less.
        Plain http needs `allow_insecure`, which is for a simulator. Raises ForeignHostError for anything that is
        no such URL, which names the field.
        """
        gateway, identity = _named("endpoints.api", api), _named("endpoints.token", token, template=True)
        for field, origin in (("endpoints.api", gateway), ("endpoints.token", identity)):
            if origin.scheme != "https" and not allow_insecure:
                needs = "endpoints.allowInsecure, and --allow-insecure of operator and webhook"
                raise ForeignHostError(f"{field}: {origin.text} is plain http: that needs {needs}")
        return cls(api_url=api.rstrip("/"), token_template=token, gateways=(gateway,), identity=(identity,))

    def token_url(self, account_name: str) -> str:
        """Return the account's token URL; ForeignHostError when its name is no host label, or no host is known."""
        if self.token_template is None:
            raise ForeignHostError("no identity domain is known for this region: set the app's endpoints")
        if _ACCOUNT in self.token_template and _LABEL.fullmatch(account_name.lower()) is None:
            raise ForeignHostError(f"the account name {account_name[:64]!a} can't be part of a host name")
        return self.token_template.replace(_ACCOUNT, account_name.lower())

    def check_api(self, url: str) -> None:
        """Raise ForeignHostError unless the URL leads to an API gateway of this app."""
        _check(url, self.gateways, "API gateways")

    def check_token(self, url: str) -> None:
        """Raise ForeignHostError unless the URL leads to a token host of this app."""
        _check(url, self.identity, "token hosts")


def _check(url: str, allowed: tuple[_Origin, ...], kind: str) -> None:
    origin = _origin(url)
    if not any(pattern.covers(origin) for pattern in allowed):
        known = ", ".join(pattern.text for pattern in allowed) or "none known for its region"
        raise ForeignHostError(f"{origin.text} is not among this app's {kind}: {known}")


def _named(field: str, url: str, *, template: bool = False) -> _Origin:
    """Read the URL of a field of an app; the error names the field."""
    try:
        return _origin(url, template=template)
    except ForeignHostError as error:
        raise type(error)(f"{field}: {error}") from None


def _origin(url: str, *, template: bool = False) -> _Origin:
    """Read where a URL leads, and refuse every spelling on which two parsers could disagree."""
    parts = _split(url)
    if parts.scheme not in _PORTS:
        raise ForeignHostError("a URL here begins with https://")
    if "@" in parts.netloc:
        raise ForeignHostError("a URL here holds no user name or password")
    host, port = _host_and_port(parts)
    labels = host.removeprefix(f"{_ACCOUNT}.") if template else host
    if _NAME.fullmatch(labels) is None and not _is_ipv6(labels):
        raise ForeignHostError(f"{host[:100]!a} is not a host name in plain ASCII without a dot at its end")
    return _Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_URL:
        raise ForeignHostError(f"a URL here has at most {_MAX_URL} characters")
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url) is not None:
        raise UnreadableUrlError("a URL here holds printable ASCII characters only, no spaces and no backslashes")
    try:
        return urlsplit(url)
    except ValueError:
        raise UnreadableUrlError("the URL can't be read") from None


def _host_and_port(parts: SplitResult) -> tuple[str, int | None]:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ForeignHostError("the URL's port can't be read") from None
    if not 0 < len(host) <= _MAX_HOST or parts.netloc.endswith(":") or port == 0:
        raise ForeignHostError("the URL names no host, one that is too long, or no port after its colon")
    return host, port


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.IPv6Address(host).compressed == host
    except ValueError:
        return False
