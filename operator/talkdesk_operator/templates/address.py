"""URLs of services as templates: `https://app.example.com/${tenant.name}/scim/v2`.

Belongs here: rendering a URL so that a customer's text cannot change its structure. Does not belong here: what the URL
is for.

The value of an expression is percent-encoded, because a customer chooses the account's name and a token is sent to the
URL. Only an expression at the very beginning may give scheme and host.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.errors import Problem, RenderError, TemplateError
from talkdesk_operator.templates.leaves import Constant, Leaf, activation, compile_leaf, fill

__all__ = ["compile_address", "render_address"]

_LONGEST: Final = 2048
_URL: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?\.?")


def compile_address(source: str, path: str) -> Constant | Leaf:
    """Compile a URL that is the value at `path`. Raises TemplateError with all problems."""
    problems: list[Problem] = []
    leaf = compile_leaf(source, path, problems)
    if problems:
        raise TemplateError(problems)
    return leaf


def render_address(address: Constant | Leaf, path: str, context: Mapping[str, Any], *, insecure: bool) -> str:
    """Render a URL. Raises RenderError unless it is an https (or, if `insecure`, http) URL without credentials."""
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
    variables = activation(context, part.references, path)
    value = fill(Leaf(path, (part,)), lambda _: variables)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise RenderError(path, f"the value of {part.source} is not text")
    return str(value)


def _problem(url: str, *, insecure: bool) -> str | None:
    """Return what is wrong with a URL, without quoting it because it may contain a customer's text; None if valid."""
    if len(url) > _LONGEST:
        return f"the URL is longer than {_LONGEST} characters"
    if not _URL.fullmatch(url):
        return "the URL is empty or contains something else than printable ASCII"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "the URL's host or port is invalid"
    if parts.scheme != "https" and not (insecure and parts.scheme == "http"):
        return "the URL must begin with https://" + (
            "" if insecure else "; http:// needs allowInsecure, and --allow-insecure of the operator"
        )
    if "@" in parts.netloc:
        return "the URL must not contain a user name or a password"
    host = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    if not _HOST.fullmatch(host):
        return "the URL's host is invalid"
    if "?" in url or "#" in url:
        return "the URL must not contain a query or a fragment"
    if {".", ".."} & set(parts.path.split("/")) or "//" in parts.path:
        return "a segment of the URL's path is empty, `.` or `..`"
    return None
