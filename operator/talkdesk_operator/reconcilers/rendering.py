"""Rendering and readiness, here or beside the event loop, by how long they may take.

Belongs here: that choice. Does not belong here: what follows from a failure (`tenant`, `objects`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.domain.reconcile.scope import FaultOwner
from talkdesk_operator.domain.tenant.typical_customer import fault_of_rendering, render_typical
from talkdesk_operator.reconcilers.aside import aside, here_or_aside
from talkdesk_operator.templates.cel import Expression
from talkdesk_operator.templates.errors import RenderError
from talkdesk_operator.templates.readiness import Readiness, readiness
from talkdesk_operator.templates.render import RenderedTenant, render, takes_long
from talkdesk_operator.templates.template import CompiledTemplate
from talkdesk_operator.templates.values_schema import check_values

__all__ = ["RenderTypical", "fault", "readiness_of", "rendered", "rendered_typical"]

RenderTypical: TypeAlias = Callable[[], Awaitable[RenderedTenant | None]]
"""Renders the template of the one at hand for a typical customer; None where that fails, or nothing follows from it."""


async def rendered(
    app: TalkdeskApp, template: CompiledTemplate, context: Mapping[str, Any], tenant_name: str
) -> RenderedTenant:
    """Render a template with values that fit the app's schema. Raises RenderError; ValuesError where they don't."""
    if (schema := app.spec.tenant.values_schema) is not None:
        await aside(app, check_values, schema, context["tenant"]["values"])
    names = {"app_name": app.metadata.name, "tenant_name": tenant_name}
    where = aside if takes_long(template, context) else here_or_aside
    return await where(app, render, template, context, **names)


async def fault(
    error: RenderError, app: TalkdeskApp, template: CompiledTemplate, context: Mapping[str, Any], tenant_name: str
) -> FaultOwner:
    """Return whose fault it is that the template can't be rendered: a limit of ours proves nothing."""
    if error.exhausted:
        return FaultOwner.OURS
    return await aside(app, fault_of_rendering, template, context, app_name=app.metadata.name, tenant_name=tenant_name)


async def rendered_typical(
    app: TalkdeskApp, template: CompiledTemplate, context: Mapping[str, Any], tenant_name: str
) -> RenderedTenant | None:
    """Return the template rendered for a typical customer; None where that fails, too."""
    return await aside(app, render_typical, template, context, app_name=app.metadata.name, tenant_name=tenant_name)


async def readiness_of(app: TalkdeskApp | None, live: Mapping[str, Any], ready_when: Expression | None) -> Readiness:
    """Return the readiness of an object."""
    is_short = ready_when is None or ready_when.is_short({"object": live})
    return await (here_or_aside if is_short else aside)(app, readiness, live, ready_when)
