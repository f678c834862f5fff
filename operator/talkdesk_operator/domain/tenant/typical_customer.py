"""Whose fault it is that a template can't be rendered: the customer's facts, or anything else.

A rejection can't be taken back, so it needs a proof: with a typical customer's facts in the place of this customer's,
and everything else as it is, the same template works. What Talkdesk left out proves nothing against a customer: it may
come later, and a template has to allow for it.

Belongs here: a typical customer's facts, what they show of an app before its first customer, the proof by
rendering. Does not belong here: the proof by the API server (`reconcilers.objects`), what follows from it
(`installation.approval`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.reconcile.scope import FaultOwner
from talkdesk_operator.domain.tenant.desired import app_variables
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import InventoryEntry, planned
from talkdesk_operator.templates.leaves import Constant
from talkdesk_operator.templates.placement import is_outside, outside
from talkdesk_operator.templates.render import RenderedTenant, render, render_name
from talkdesk_operator.templates.scopes import KindScopes, canonical
from talkdesk_operator.templates.template import CompiledTemplate
from talkdesk_operator.templates.variables import MEMBERS

__all__ = ["fault_of_rendering", "limit_met", "misplaced", "name_problem", "render_typical"]

_FACTS: Final[dict[str, dict[str, Any]]] = {
    "account": {
        "id": "5f1e9a7c3b2d4c0012ab34cd",
        "name": "acme",
        "companyName": "Acme",
        "timezone": "Europe/Lisbon",
    },
    "installation": {
        "id": "6f1e9a7c3b2d4c0012ab34cd",
        "name": "app-6f1e9a7c3b2d4c0012ab34cd",
        "appVersion": "1.0.0",
        "createdBy": "7f1e9a7c3b2d4c0012ab34cd",
    },
    "subscription": {"type": "paid", "name": "Standard", "licenses": 10},
    "trial": {"state": "Started", "expirationTime": "2030-01-01T00:00:00Z"},
}
"""What a template knows of one customer, each member with a plain value."""


def fault_of_rendering(
    template: CompiledTemplate, context: Mapping[str, Any], *, app_name: str, tenant_name: str
) -> FaultOwner:
    """Return whose fault it is that the template can't be rendered with this context.

    A limit that is met on the way proves nothing: the machine may be busy, and it may hide what is really missing.
    """
    if render_typical(template, context, app_name=app_name, tenant_name=tenant_name) is None:
        return FaultOwner.OURS
    completed = {name: _completed(name, context[name]) for name in _FACTS}
    try:
        render(template, {**context, **completed}, app_name=app_name, tenant_name=tenant_name)
    except RenderError as error:
        return FaultOwner.OURS if error.exhausted else FaultOwner.CUSTOMER
    return FaultOwner.OURS


def render_typical(
    template: CompiledTemplate, context: Mapping[str, Any], *, app_name: str, tenant_name: str
) -> RenderedTenant | None:
    """Return the template rendered as this context with a typical customer's facts; None where that fails, too."""
    typical = {**context, **_FACTS, "tenant": {**context["tenant"], "name": ""}}
    try:
        return render(template, typical, app_name=app_name, tenant_name=tenant_name)
    except RenderError:
        return None


def limit_met(template: CompiledTemplate, app: TalkdeskApp) -> str:
    """Return which limit of time or memory the template meets with a typical customer's facts; empty where none is."""
    try:
        _render_first(template, app)
    except RenderError as error:
        return str(error) if error.exhausted and not error.passing else ""
    return ""


def name_problem(template: CompiledTemplate, app: TalkdeskApp) -> str:
    """Return why no tenant can have the name that the app says; empty where it depends on the customer."""
    if not isinstance(template.name, Constant):
        return ""
    try:
        render_name(template, {**_FACTS, "app": app_variables(app)})
    except RenderError as error:
        return str(error)
    return ""


def misplaced(template: CompiledTemplate, app: TalkdeskApp, scopes: KindScopes) -> str:
    """Return in words which objects of a typical customer are outside the tenant; empty where none is, as is known.

    A kind of which nobody knows whether it is in namespaces is given the benefit of the doubt.
    """
    try:
        rendered = canonical(_render_first(template, app), scopes)
    except RenderError:
        return ""

    def certain(entry: InventoryEntry) -> bool:
        known = not entry.namespace or (entry.group, entry.kind) in scopes
        return known or is_outside(replace(entry, namespace=""), rendered.name)

    return outside((entry for entry in planned(rendered) if certain(entry)), rendered.name)


def _render_first(template: CompiledTemplate, app: TalkdeskApp) -> RenderedTenant:
    """Return the template rendered for a typical customer before there is a real one. Raises RenderError."""
    metadata, spec = app.metadata, app.spec
    context = {
        **_FACTS,
        "app": app_variables(app),
        "tenant": {"name": "", "state": "Active", "suspended": False, "values": spec.tenant.values},
        "sso": dict.fromkeys(MEMBERS["sso"], "x") | {"scopes": list(spec.auth.scopes)},
        "credentials": dict.fromkeys(MEMBERS["credentials"], "x"),
    }
    return render(template, context, app_name=metadata.name, tenant_name=metadata.name)


def _completed(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in facts.items() if value is not None}
    return {**_FACTS[name], **known}
