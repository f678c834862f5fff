"""A page that says one thing, with the headers that keep others from using it."""

from html import escape

from starlette.responses import HTMLResponse

__all__ = ["page"]


def page(status: int, title: str, text: str, *, link: tuple[str, str] | None = None, then: str = "") -> HTMLResponse:
    """Return a page; `link` is an address and its text, `then` an address that is opened by itself a second later."""
    anchor = "" if link is None else f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>'
    headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if then:
        headers["Refresh"] = f"1; url={then}"
    body = f'<h1>{escape(title)}</h1><p id="text">{escape(text)}</p>{anchor}'
    html = f'<!doctype html><html lang="en"><title>{escape(title)}</title>{body}</html>'
    return HTMLResponse(html, status, headers)
