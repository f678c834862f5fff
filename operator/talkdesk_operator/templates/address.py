"""Addresses of services as templates: `https://app.example.com/${tenant.name}/scim/v2`.

Belongs here: filling in, so that a customer's words stay within their place in the address. Does not belong here: what
the address is for.

What an expression gives is percent-encoded, as a customer chooses the account's name, and the token goes wherever the
address leads; only an expression at the very beginning may give scheme and host.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from talkdesk_operator.templates.cel import Activation, Expression, ExpressionError
from talkdesk_operator.templates.errors import Problem, RenderError, TemplateError
from talkdesk_operator.templates.leaves import Constant, Leaf, compile_leaf, fill

__all__ = ["compile_address", "render_address"]

_LONGEST: Final = 2048
_URL: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?\.?")


def compile_address(source: str, path: str) -> Constant | Leaf:
    """Compile an address, `path` being where it stands; raises TemplateError with all that is wrong."""
    problems: list[Problem] = []
    leaf = compile_leaf(source, path, problems)
    if problems:
        raise TemplateError(problems)
    return leaf


def render_address(address: Constant | Leaf, path: str, context: Mapping[str, Any], *, insecure: bool) -> str:
    """Fill in an address; raises RenderError unless it is an https (or, when `insecure`, http) URL without secrets."""
    url = _filled(address, path, context).rstrip("/")
    problem = _problem(url, insecure=insecure)
    if problem is not None:
        raise RenderError(path, problem)
    return url


def _filled(address: Constant | Leaf, path: str, context: Mapping[str, Any]) -> str:
    if isinstance(address, Constant):
        return str(address.value)
    pieces = []
    for number, part in enumerate(address.parts):
        if isinstance(part, str):
            pieces.append(part)
            continue
        value = _text(part, path, context)
        pieces.append(value if number == 0 else quote(value, safe="", errors="replace"))
    return "".join(pieces)


def _text(part: Expression, path: str, context: Mapping[str, Any]) -> str:
    scope = _scope(path, context, part.references)
    value = fill(Leaf(path, (part,)), lambda _: scope)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise RenderError(path, f"{part.source} gives no text")
    return str(value)


def _scope(path: str, context: Mapping[str, Any], names: frozenset[str]) -> Activation:
    try:
        return Activation({name: context[name] for name in sorted(names) if name in context})
    except ExpressionError as error:
        reason = error.reason
    raise RenderError(path, reason)


def _problem(url: str, *, insecure: bool) -> str | None:
    """Return what is wrong with a URL, without a word of it: a customer's words may be in it."""
    if len(url) > _LONGEST:
        return f"the URL is longer than {_LONGEST} characters"
    if not _URL.fullmatch(url):
        return "the URL holds something else than printable ASCII, or nothing"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "the URL's host or port can't be understood"
    if parts.scheme != "https" and not (insecure and parts.scheme == "http"):
        return "the URL must begin with https://" + ("" if insecure else "; only allowInsecure allows http://")
    if "@" in parts.netloc:
        return "the URL must hold no user name and no password"
    host = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    if not _HOST.fullmatch(host):
        return "the URL's host can't be understood"
    if "?" in url or "#" in url:
        return "the URL must hold no query and no fragment"
    if {".", ".."} & set(parts.path.split("/")) or "//" in parts.path:
        return "a part of the URL's path is empty, `.` or `..`"
    return None
