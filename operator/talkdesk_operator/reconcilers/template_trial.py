"""Try an app's template with a typical customer: what every customer would meet is said at the app, before the first.

Belongs here: limits of time and memory, and where objects would be. Does not belong here: the facts of that customer
(`domain.tenant.typical_customer`), the app's status (`apps`).
"""

from functools import partial

from talkdesk_crds.app import ObjectScope
from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.failure import Failure, RetryClass
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.domain.tenant.typical_customer import limit_met, misplaced, name_problem
from talkdesk_operator.reconcilers.aside import aside, here_or_aside
from talkdesk_operator.templates.values_schema import ValuesError, check_values

__all__ = ["template_problem"]

_OUTSIDE = "for every customer these objects are neither applied nor deleted, while all others are:"


async def template_problem(view: CompiledApp, cluster: Cluster) -> Failure | None:
    """Return why customers would wait in vain for this template, or for some of its objects."""
    return _misnamed(view) or await _values_problem(view) or await _limit_met(view) or await _misplaced(view, cluster)


async def _values_problem(view: CompiledApp) -> Failure | None:
    """Return what is wrong with the app's schema of values, or with its own values."""
    template = view.resource.spec.tenant
    if template.values_schema is None:
        return None
    try:
        await aside(view.resource, partial(check_values, template.values_schema, template.values, partial=True))
    except ValuesError as error:
        return Failure(Reason.VALUES_INVALID, str(error), RetryClass.SLOW)
    return None


def _misnamed(view: CompiledApp) -> Failure | None:
    problem = name_problem(view.template, view.resource) if view.template is not None else ""
    return Failure(Reason.TEMPLATE_INVALID, problem, RetryClass.SLOW) if problem else None


async def _limit_met(view: CompiledApp) -> Failure | None:
    template = view.template
    if template is None or not template.may_be_long:
        return None
    met = await aside(view.resource, limit_met, template, view.resource)
    return Failure(Reason.TEMPLATE_INVALID, met, RetryClass.SLOW) if met else None


async def _misplaced(view: CompiledApp, cluster: Cluster) -> Failure | None:
    template, app = view.template, view.resource
    if template is None or app.spec.tenant.object_scope is not ObjectScope.TENANT:
        return None
    kinds = dict.fromkeys((m.group, m.version, m.kind) for step in template.steps for m in step.manifests)
    scopes = await cluster.scopes(tuple(kinds))
    there = aside if template.may_be_long else here_or_aside
    words = await there(app, misplaced, template, app, scopes)
    return Failure(Reason.OUTSIDE_TENANT, f"{_OUTSIDE} {words}", RetryClass.SLOW) if words else None
