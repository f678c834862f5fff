"""What the operator would apply for a customer, worked out without a cluster.

Belongs here: putting app, customer and values together as a reconcile does. Does not belong here: files (`documents`),
what is printed (`printing`).

    CannotRender    the app or its template can't be used for this customer; `str()` says why, as the operator would
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from talkdesk_crds.app import ObjectScope, TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.cli.documents import read_installation
from talkdesk_operator.cli.samples import sample, sample_credentials
from talkdesk_operator.domain.ports.talkdesk import Credentials
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Role, Scope
from talkdesk_operator.domain.tenant.entitlement import desired_state
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.inventory import planned
from talkdesk_operator.templates.outputs import OUTPUTS, made_up
from talkdesk_operator.templates.placement import outside
from talkdesk_operator.templates.render import RenderedTenant, render
from talkdesk_operator.templates.values_schema import check_values

__all__ = ["CannotRender", "Rendering", "customer_of", "rendering", "usable"]


class CannotRender(Exception):
    """The app or its template can't be used for this customer."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What would be applied."""

    tenant: RenderedTenant
    state: str
    """Active, Suspended or Offboarded."""


def usable(app: TalkdeskApp) -> CompiledApp:
    """Return the app, compiled. Raises CannotRender with all that is wrong with it."""
    compiled = compile_app(app, allow_insecure=True)  # nothing is sent from here
    if compiled.problem or compiled.template is None:
        raise CannotRender(f"TalkdeskApp {app.metadata.name}: {compiled.problem}")
    return compiled


def customer_of(app: CompiledApp, sample_name: str, file: Path | None) -> TalkdeskInstallation:
    """Return the customer of a file, or else a sample. Raises UnusableFile, and KeyError for an unknown sample."""
    if file is not None:
        return read_installation(file)
    if app.hosts is None:
        raise CannotRender(app.problem)
    return sample(sample_name, app.resource.metadata, app.hosts)


def rendering(
    app: CompiledApp,
    installation: TalkdeskInstallation,
    values: Mapping[str, Any],
    *,
    tenant: TalkdeskTenant | None = None,
    credentials: Credentials | None = None,
    services: bool = True,
) -> Rendering:
    """Return what is applied for this customer, with made-up credentials. Raises CannotRender.

    What services answer is made up, too; unless there are `services`, what needs it is left open.

    `values` go before those of the customer's TalkdeskTenant. Without `tenant` a name that it has already is not known
    here. It is the time of the customer's request, so that the result is the same tomorrow.
    """
    template, request = app.template, installation.spec.request
    if template is None:
        raise CannotRender(app.problem)
    scope = Scope(
        now=request.event_time if request is not None else datetime.now(UTC),
        app=app,
        installation=installation,
        role=Role.OWNER,
        tenant=tenant,
        credentials=credentials or sample_credentials(),
    )
    context = template_variables(scope, app)
    context[OUTPUTS] = made_up(expr for step in template.steps for expr in step.expressions()) if services else {}
    context["tenant"]["values"] = {**context["tenant"]["values"], **values}
    name = tenant_name(app.resource.metadata.name, installation.spec.account_id)
    try:
        check_values(app.resource.spec.tenant.values_schema, context["tenant"]["values"])
        rendered = render(template, context, app_name=app.resource.metadata.name, tenant_name=name)
    except RenderError as error:
        raise CannotRender(str(error)) from None
    confined = app.resource.spec.tenant.object_scope is ObjectScope.TENANT
    if confined and (words := outside(planned(rendered), rendered.name)):
        raise CannotRender(words)
    return Rendering(rendered, desired_state(scope).value)
