"""TalkdeskApps: compiled once for each generation, and their status."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.app import AppStatus, ConflictPolicy, RejectRule, TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason, transitioned
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_operator.domain.installation.approval import RULE_VARIABLES
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.scope import CompiledApp, CompiledRule
from talkdesk_operator.templates.cel import ExpressionError, compile_expression
from talkdesk_operator.templates.errors import TemplateError
from talkdesk_operator.templates.template import CompiledTemplate, StepSource
from talkdesk_runtime.lru import LruMap

__all__ = ["CompiledApps", "app_status", "compile_app"]

_MAX_COMPILED = 256
"""Compiled apps in memory; each takes some tens of kilobytes."""
_MESSAGE_LENGTH = 2048


def compile_app(app: TalkdeskApp) -> CompiledApp:
    """Return the app with its hosts, template and rules compiled; `problem` says what is wrong with it."""
    try:
        hosts = allowed_hosts(app.spec)
    except ForeignHostError as error:
        return CompiledApp(app, None, None, f"endpoints: {error}")
    template = app.spec.tenant
    steps = [
        StepSource(
            step.name,
            step.manifests,
            step.ready_when,
            step.on_offboard.value,
            adopt=step.conflict_policy is ConflictPolicy.ADOPT,
        )
        for step in template.steps
    ]
    try:
        compiled = CompiledTemplate.compile(template.name, steps, f"{app.metadata.uid}/{app.metadata.generation}")
    except TemplateError as error:
        return CompiledApp(app, hosts, None, str(error))
    try:
        rules = tuple(_rule(rule) for rule in app.spec.approval.reject_when)
    except ExpressionError as error:
        return CompiledApp(app, hosts, compiled, f"approval.rejectWhen {error.source!r}: {error.reason}")
    return CompiledApp(app, hosts, compiled, reject_rules=rules)


def _rule(rule: RejectRule) -> CompiledRule:
    """Return the compiled rule; raises ExpressionError."""
    compiled = compile_expression(rule.expression)
    unknown = sorted(compiled.references - RULE_VARIABLES)
    if unknown:
        known = ", ".join(sorted(RULE_VARIABLES))
        raise ExpressionError(rule.expression, f"no such variable: {unknown[0]} (there are {known})")
    return CompiledRule(compiled, rule.reason)


def app_status(view: CompiledApp, now: datetime) -> AppStatus:
    """Return whether the app can be used; equal to its present status when nothing changed."""
    app = view.resource
    usable = not view.problem
    ready = Condition(
        type=ConditionType.READY,
        status="True" if usable else "False",
        reason=Reason.SUCCEEDED if usable else Reason.TEMPLATE_INVALID,
        message=view.problem[:_MESSAGE_LENGTH] if view.problem else "hosts, template and rules are valid",
        last_transition_time=now,
        observed_generation=app.metadata.generation,
    )
    conditions = transitioned(app.status.conditions, (ready,), now)
    return AppStatus(observed_generation=app.metadata.generation, conditions=conditions)


class CompiledApps:
    """Compiled apps by uid and generation; the least recently used are dropped."""

    def __init__(self, cluster: Cluster, now: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._now = now
        self._compiled: LruMap[tuple[str, int], CompiledApp] = LruMap(_MAX_COMPILED)

    def view(self, app: TalkdeskApp) -> CompiledApp:
        """Return the app as the domain uses it."""
        key = (app.metadata.uid, app.metadata.generation)
        known = self._compiled.get(key)
        if known is None:
            known = compile_app(app)
            self._compiled.put(key, known)
        return replace(known, resource=app)

    async def write_status(self, app: TalkdeskApp) -> None:
        """Write the app's status, if it changed. Raises KubeError."""
        status = app_status(self.view(app), self._now())
        if status != app.status:
            await self._cluster.write_app_status(app, status)
