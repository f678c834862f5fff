"""A user's browser, as far as logins at the simulator need one: cookies, forms, and redirects that a test looks at."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx


@dataclass
class UserBrowser:
    """Follows no redirect by itself."""

    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=10))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def open(self, url: str, **query: Any) -> httpx.Response:
        return await self.http.get(url, params=query or None)

    async def submit(self, page: httpx.Response, to: str = "", **fields: str) -> httpx.Response:
        """Post the form of a page, with its hidden field."""
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        data = {name: unescape(value) for name, value in hidden.items()} | fields
        return await self.http.post(urljoin(str(page.url), to) if to else page.url, data=data)

    async def log_in(self, url: str, user: str, password: str = "talkdesk", **query: Any) -> httpx.Response:
        """Open an address, log in, and come to it again; return what it answers then."""
        form = await self.open(url, **query)
        assert form.status_code == 200, form.text
        done = await self.submit(form, user=user, password=password, action="login")
        assert done.status_code == 200, done.text
        return await self.open(urljoin(str(done.url), done.headers["refresh"].removeprefix("0; url=")))


def leads_to(response: httpx.Response) -> str:
    """Return where a redirect leads, as an absolute URL."""
    assert response.is_redirect, response.text
    return urljoin(str(response.url), response.headers["location"])


def answer_of(response: httpx.Response) -> dict[str, str]:
    """Return the query of where a redirect leads."""
    return dict(parse_qsl(urlsplit(leads_to(response)).query))
