"""The pages that a user's browser shows: the login, the home page, and what went wrong.

Belongs here: HTML, with the headers that keep others from using it. Does not belong here: who is logged in (`sign_on`).
"""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote, urlsplit

from starlette.responses import HTMLResponse

from talkdesk_sandbox.simulator.state.entities import Account, App, Installation, User

_STYLE = (
    "body{font:1rem sans-serif;max-width:30rem;margin:3rem auto}label,select,input,button{display:block;margin:.5rem 0}"
)


def login_page(
    account: Account, csrf: str, *, problem: str = "", leads_to: str | None = None, status: int = 200
) -> HTMLResponse:
    """Return the login form, posted to the address that it was read from. `leads_to` is the app's redirect URI."""
    users = (user for user in account.users.values() if user.active)
    options = "".join(f'<option value="{escape(user.id)}">{escape(_shown(user))}</option>' for user in users)
    cancel = '<button name="action" value="cancel">Cancel</button>' if leads_to else ""
    return _page(
        f"Talkdesk simulator: log in to {account.name}",
        f'<p role="alert">{escape(problem)}</p>' * bool(problem),
        f'<form method="post"><input type="hidden" name="csrf" value="{escape(csrf)}">'
        f'<label>User<select name="user" autofocus>{options}</select></label>'
        '<label>Password<input type="password" name="password" autocomplete="off"></label>'
        f'<button name="action" value="login">Log in</button>{cancel}</form>',
        status=status,
        # A browser that follows a redirect after a form asks whether the form may lead there: Cancel does.
        form_action=_origin(leads_to) if leads_to else "",
    )


def home_page(user: User, csrf: str, apps: Iterable[tuple[App, Installation]]) -> HTMLResponse:
    """Return what a user sees after a login that no app asked for."""
    links = "".join(
        f'<li><a href="launch?installation={quote(installation.id, safe="")}">{escape(app.name)}</a></li>'
        for app, installation in apps
    )
    return _page(
        "Talkdesk simulator",
        f'<p id="user">{escape(_shown(user))}</p><ul>{links}</ul>',
        f'<form method="post" action="logout"><input type="hidden" name="csrf" value="{escape(csrf)}">'
        "<button>Log out</button></form>",
    )


def again_page(location: str) -> HTMLResponse:
    """Return what has the browser open an address of the simulator's after a login.

    It is no redirect: wherever that address leads, browsers would ask whether the form may lead there.
    """
    page = _page("Talkdesk simulator", f'<a href="{escape(location)}">You are logged in.</a>')
    page.headers["Refresh"] = f"0; url={location}"
    return page


def problem_page(status: int, problem: str) -> HTMLResponse:
    """Return a page that says what is wrong, and leads nowhere."""
    return _page("Talkdesk simulator: this does not work", f'<p role="alert">{escape(problem)}</p>', status=status)


def _shown(user: User) -> str:
    return f"{user.name} ({user.email})"


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f" {parts.scheme}://{parts.netloc}"


def _page(title: str, *body: str, status: int = 200, form_action: str = "") -> HTMLResponse:
    policy: Sequence[str] = (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        f"form-action 'self'{form_action}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{''.join(body)}</html>",
        status,
        {
            "Content-Security-Policy": "; ".join(policy),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )
