"""The `http` of a step: compiled once for each revision, filled in for each account.

Belongs here: URL, headers and body of what a partner's service gets, and which hosts that may be. Does not belong here:
keys, requests and what follows from a response (`domain.hooks`, `reconcilers.hooks`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from talkdesk_crds.app_http import HttpStep
from talkdesk_crds.secret_hosts import covers_host, host_of, host_of_template
from talkdesk_operator.templates.address import compile_address, render_address
from talkdesk_operator.templates.cel import Activation, Expression
from talkdesk_operator.templates.errors import Problem, RenderError, TemplateError, child
from talkdesk_operator.templates.leaves import Constant, Leaf, MapNode, compile_map, expressions, fill
from talkdesk_operator.templates.pem import is_pem

__all__ = ["CompiledHttp", "RenderedHttp", "compile_http", "parts_of", "render_http"]

_HEADER: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
_OURS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
"""Headers that the operator sets, or that belong to the connection."""
_DEFAULT: Final = ("account", "installation", "subscription", "trial")


@dataclass(frozen=True, slots=True)
class HttpHosts:
    """Where steps may lead."""

    named: tuple[str, ...]
    """The app's `httpHosts`."""
    insecure: bool
    """Whether steps may allow plain http."""


@dataclass(frozen=True, slots=True)
class CompiledHttp:
    """Ready to be rendered."""

    path: str
    settings: HttpStep
    url: Constant | Leaf
    headers: MapNode
    body: MapNode | None
    """None for the default."""
    hosts: HttpHosts
    """With the host that is written in the URL, where the app names none."""


@dataclass(frozen=True, slots=True)
class RenderedHttp:
    """What a service gets of one tenant."""

    settings: HttpStep
    url: str
    """The base URL, without the tenant."""
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    """Without `generation` where it is the default."""
    is_default: bool


def compile_http(source: HttpStep, hosts: HttpHosts, path: str, problems: list[Problem]) -> CompiledHttp:
    """Compile it; problems are added to `problems`, with their paths."""
    url: Constant | Leaf = Constant("")
    try:
        url = compile_address(source.url, child(path, "url"))
    except TemplateError as error:
        problems.extend(error.problems)
    host = host_of_template(source.url)
    if host is None and not hosts.named:
        words = "an expression gives the host, so tenant.httpHosts must say which hosts may be called"
        problems.append(Problem(child(path, "url"), words))
    elif host is not None and hosts.named and not _is_named(host, hosts):
        problems.append(Problem(child(path, "url"), f"the host {host} is not among tenant.httpHosts"))
    if source.ca_bundle and not is_pem(source.ca_bundle):
        problems.append(Problem(child(path, "caBundle"), "holds no certificates in PEM"))
    for name in source.headers:
        if _HEADER.fullmatch(name) is None:
            problems.append(Problem(child(child(path, "headers"), name), "is not a name of a header"))
        elif name.lower() in _OURS:
            problems.append(Problem(child(child(path, "headers"), name), "this header is the operator's own"))
    headers = compile_map(source.headers, child(path, "headers"), problems)
    body = None if source.body is None else compile_map(source.body, child(path, "body"), problems)
    allowed = replace(hosts, named=hosts.named or (host or "",))
    return CompiledHttp(path, source, url, headers, body, allowed)


def _is_named(host: str, hosts: HttpHosts) -> bool:
    return any(covers_host(entry.lower(), host.lower()) for entry in hosts.named)


def parts_of(compiled: CompiledHttp) -> Iterator[tuple[str, Expression]]:
    """Yield each expression with the path of its leaf: those of the address and the headers, then those of the body."""
    yield from expressions(compiled.url)
    yield from expressions(compiled.headers)
    if compiled.body is not None:
        yield from expressions(compiled.body)


def render_http(
    compiled: CompiledHttp,
    context: Mapping[str, Any],
    seen_by: Callable[[Expression], Activation],
    *,
    tenant_name: str,
) -> RenderedHttp:
    """Fill it in. Raises RenderError. `tenant_name` is that of the TalkdeskTenant."""
    settings, path = compiled.settings, compiled.path
    insecure = compiled.hosts.insecure and settings.allow_insecure
    url = render_address(compiled.url, child(path, "url"), context, insecure=insecure)
    if not _is_named(host_of(url), compiled.hosts):
        raise RenderError(child(path, "url"), "the host is not among tenant.httpHosts")
    headers = {name: _header(path, name, value) for name, value in fill(compiled.headers, seen_by).items()}
    if compiled.body is None:
        return RenderedHttp(settings, url, headers, _default(settings, context, tenant_name), is_default=True)
    body = fill(compiled.body, seen_by)
    return RenderedHttp(settings, url, headers, body, is_default=False)


def _header(path: str, name: str, value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int | float) else ""
    if _HEADER_VALUE.fullmatch(text) is None:
        raise RenderError(child(child(path, "headers"), name), "must be printable ASCII without spaces around")
    return text


def _default(settings: HttpStep, context: Mapping[str, Any], tenant_name: str) -> dict[str, Any]:
    tenant = context["tenant"]
    body = {
        "tenant": {"id": tenant_name, "name": tenant["name"], "values": tenant["values"]},
        "state": tenant["state"],
        **{name: context[name] for name in _DEFAULT},
    }
    return body | ({"credentials": dict(context["credentials"])} if settings.credentials else {})
