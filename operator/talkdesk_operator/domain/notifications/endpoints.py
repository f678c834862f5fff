"""The endpoints of an app that are told what happens, with their filters compiled.

Belongs here: whether an endpoint is to be told something. Does not belong here: what happened (`happenings`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from talkdesk_crds.app_notifications import NotificationEndpoint
from talkdesk_operator.domain.notifications.happenings import Happening
from talkdesk_operator.domain.reconcile.scope import CompiledEndpoint
from talkdesk_operator.templates.cel import Activation, Exhausted, Expression, ExpressionError, compile_expression
from talkdesk_operator.templates.limits import EVALUATION_SECONDS, Spent
from talkdesk_operator.templates.pem import is_pem
from talkdesk_operator.templates.variables import MEMBERS, unknown_members, unknown_variable

__all__ = ["FILTER_VARIABLES", "compile_endpoint", "is_told", "refusal"]

FILTER_VARIABLES: Final = frozenset({"account", "app", "event", "installation", "subscription", "trial"})
"""The variables of an endpoint's `filter`."""
_EVENT: Final = frozenset({"type", "reason", "phase", "requestType"})


def compile_endpoint(endpoint: NotificationEndpoint, *, allow_insecure: bool) -> CompiledEndpoint:
    """Return the endpoint with its filter; `allow_insecure` is the operator's own setting.

    A filter that can't be used counts as none: in doubt an endpoint is told.
    """
    refused = refusal(endpoint, allow_insecure=allow_insecure)
    problems = [refused] if refused else []
    if endpoint.ca_bundle and not is_pem(endpoint.ca_bundle):
        problems.append("caBundle holds no certificates in PEM")
    compiled = _filter(endpoint.filter, problems) if endpoint.filter is not None else None
    problem = f"notifications {endpoint.name}: {problems[0]}" if problems else ""
    return CompiledEndpoint(endpoint, compiled, problem)


def _filter(source: str, problems: list[str]) -> Expression | None:
    try:
        compiled = compile_expression(source)
    except ExpressionError as error:
        problems.append(f"filter: {error.reason}")
        return None
    unknown = [unknown_variable(name, FILTER_VARIABLES) for name in sorted(compiled.references - FILTER_VARIABLES)]
    wrong = [*unknown, *unknown_members(compiled, FILTER_VARIABLES, MEMBERS | {"event": _EVENT})]
    problems.extend(f"filter: {each}" for each in wrong)
    return None if wrong else compiled


def refusal(endpoint: NotificationEndpoint, *, allow_insecure: bool) -> str:
    """Return why nothing may be sent there; empty where it may."""
    try:
        parts = urlsplit(endpoint.url)
    except ValueError:
        return "url can't be read"
    if "@" in parts.netloc:
        return "url holds a user's name or a password, which belong into no field of an app"
    insecure = parts.scheme != "https" and not (endpoint.allow_insecure and allow_insecure)
    return "url is plain http: that needs allowInsecure, and --allow-insecure of the operator" if insecure else ""


def is_told(
    endpoint: CompiledEndpoint,
    event: Happening,
    reason: str,
    phase: str,
    variables: Callable[[], Mapping[str, Any]],
    spent: Spent | None = None,
) -> bool:
    """Return whether the endpoint wants to know; in doubt it does.

    `spent` is what other filters have used up of the time that all of them have together.
    """
    wanted = endpoint.config.events
    if wanted and event.type not in wanted:
        return False
    if endpoint.filter is None:
        return True
    told = {"type": event.type.value, "reason": reason, "phase": phase, "requestType": event.request_type}
    try:
        return endpoint.filter.evaluate(Activation({**variables(), "event": told}, spent)) is not False
    except ExpressionError as error:
        if spent is not None and isinstance(error, Exhausted):  # it is not counted where it comes to no result
            spent.seconds += EVALUATION_SECONDS
        return True
