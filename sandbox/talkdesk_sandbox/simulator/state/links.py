"""URLs that the simulator names in events and answers, so that consumers follow links.

Belongs here: building them. Does not belong here: serving them.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class Links:
    """URLs under one public base URL, and token URLs for each account."""

    root: str
    """Base URL without a trailing slash: what events name as `_links.root`."""
    id_domain: str | None = None
    """When set, each account has a host of its own below it for its token URL."""

    def token_url(self, account_name: str) -> str:
        """Return the token URL that events name for an account."""
        return f"{self.identity(account_name)}/oauth/token"

    def authorize_url(self, account_name: str) -> str:
        """Return the authorization URL that events name for an account."""
        return f"{self.identity(account_name)}/oauth/authorize"

    def issuer(self, account_name: str, form: Literal["origin", "identity"]) -> str:
        """Return `iss` of an account's ID tokens."""
        identity = self.identity(account_name)
        if form == "identity":
            return identity
        parts = urlsplit(identity)
        return f"{parts.scheme}://{parts.netloc}"

    def audiences(self, account_name: str) -> frozenset[str]:
        """Return all token URLs of an account; a client assertion's `aud` must be one of them."""
        path = Links(self.root)
        return frozenset({path.token_url(account_name), self.token_url(account_name)})

    def installation(self, app_id: str, installation_id: str) -> str:
        """Return the URL of an installation."""
        return f"{self.root}/apps/{quote(app_id, safe='')}/installations/{quote(installation_id, safe='')}"

    def event(self, app_id: str, event_id: str) -> str:
        """Return the URL to read an event again."""
        return f"{self.root}/apps/{quote(app_id, safe='')}/events/{event_id}"

    def user(self, user_id: str) -> str:
        """Return the URL of a user."""
        return f"{self.root}/users/{quote(user_id, safe='')}"

    def account_of_host(self, host: str) -> str | None:
        """Return the account name in a `Host` header `{account}.{id_domain}`; None for any other host."""
        if self.id_domain is None:
            return None
        bare, domain = host.lower().split(":")[0], self.id_domain.lower().split(":")[0]
        return bare.removesuffix(f".{domain}") if bare.endswith(f".{domain}") else None

    def identity(self, account_name: str) -> str:
        """Return the base URL of an account's logins and tokens."""
        if self.id_domain is None:
            return f"{self.root}/accounts/{quote(account_name, safe='')}"
        scheme = self.root.split("://", 1)[0]
        return f"{scheme}://{account_name}.{self.id_domain}"
