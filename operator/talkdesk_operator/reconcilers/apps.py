"""TalkdeskApps: compiled once for each generation, and their status."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from talkdesk_crds.allowed_hosts import allowed_hosts
from talkdesk_crds.app import AppStatus, ConflictPolicy, RejectRule, TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find, transitioned
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_operator.domain.installation.approval import RULE_VARIABLES
from talkdesk_operator.domain.notifications.endpoints import compile_endpoint
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.access import AccessReviews
from talkdesk_operator.domain.reconcile.failure import Failure
from talkdesk_operator.domain.reconcile.scope import CompiledApp, CompiledRule
from talkdesk_operator.domain.tenant.edit_grace import deletion_policies
from talkdesk_operator.domain.tenant.revision import revision_name
from talkdesk_operator.reconcilers.app_reviews import AppReviews
from talkdesk_operator.reconcilers.aside import aside
from talkdesk_operator.templates.address import compile_address
from talkdesk_operator.templates.assumed_readiness import assumed_ready
from talkdesk_operator.templates.cel import ExpressionError, compile_expression
from talkdesk_operator.templates.errors import TemplateError
from talkdesk_operator.templates.leaves import expressions
from talkdesk_operator.templates.limits import measure
from talkdesk_operator.templates.references import ADDRESS_SCOPE, reference_problems
from talkdesk_operator.templates.template import CompiledTemplate, StepSource
from talkdesk_operator.templates.variables import unknown_members, unknown_variable
from talkdesk_runtime.durations import parse_duration
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.shorten import shorten

__all__ = ["CompiledApps", "app_status", "compile_app"]

_MAX_COMPILED = 256
"""Compiled apps in memory; each takes some tens of kilobytes."""
_LARGE = 20_000
"""Characters of a template that is compiled beside the event loop: about 50 ms."""
_MESSAGE_LENGTH = 2048


def compile_app(app: TalkdeskApp, *, allow_insecure: bool = False) -> CompiledApp:
    """Return the app with its hosts, template, rules and endpoints compiled; `problem` says what is wrong with it.

    `allow_insecure` is the operator's own setting.
    """
    endpoints = tuple(compile_endpoint(each, allow_insecure=allow_insecure) for each in app.spec.notifications)
    return replace(_without_endpoints(app, allow_insecure=allow_insecure), endpoints=endpoints)


def _without_endpoints(app: TalkdeskApp, *, allow_insecure: bool) -> CompiledApp:
    try:
        hosts = allowed_hosts(app.spec, allow_insecure=allow_insecure)
    except ForeignHostError as error:
        return CompiledApp(app, None, None, str(error))
    template = app.spec.tenant
    steps = [
        StepSource(
            step.name,
            step.manifests or (),
            step.ready_when,
            step.on_offboard.value,
            adopt=step.conflict_policy is ConflictPolicy.ADOPT,
            on_remove=step.on_remove.value if step.on_remove is not None else None,
            include_when=step.include_when,
            for_each=step.for_each,
            time_limit=parse_duration(step.time_limit) if step.time_limit is not None else None,
            http=step.http,
        )
        for step in template.steps
    ]
    try:
        revision = f"{app.metadata.uid}/{app.metadata.generation}"
        compiled = CompiledTemplate.compile(
            template.name, steps, revision, template.http_hosts, insecure=allow_insecure
        )
    except TemplateError as error:
        return CompiledApp(app, hosts, None, str(error), allow_insecure=allow_insecure)
    found = CompiledApp(app, hosts, compiled, _address_problem(app), allow_insecure=allow_insecure)
    try:
        return replace(found, reject_rules=tuple(_rule(rule) for rule in app.spec.approval.reject_when))
    except ExpressionError as error:
        return replace(found, problem=f"approval.rejectWhen {error.source!r}: {error.reason}")


def _address_problem(app: TalkdeskApp) -> str:
    """Return what is wrong with the SCIM service's URL for every account; empty when nothing is."""
    scim, path = app.spec.users.scim if app.spec.users is not None else None, "users.scim.url"
    if scim is None:
        return ""
    try:
        found = expressions(compile_address(scim.url, path))
    except TemplateError as error:
        return str(error)
    return "; ".join(each.message for _, used in found for each in reference_problems(path, used, ADDRESS_SCOPE))


def _rule(rule: RejectRule) -> CompiledRule:
    """Return the compiled rule; raises ExpressionError."""
    compiled = compile_expression(rule.expression)
    unknown = [unknown_variable(name, RULE_VARIABLES) for name in sorted(compiled.references - RULE_VARIABLES)]
    for problem in (*unknown, *unknown_members(compiled, RULE_VARIABLES)):
        raise ExpressionError(rule.expression, problem)
    return CompiledRule(compiled, rule.reason)


def app_status(
    view: CompiledApp,
    now: datetime,
    further: Sequence[Condition] = (),
    *,
    missing: Failure | None = None,
    rollout: Mapping[str, Any] | None = None,
) -> AppStatus:
    """Return whether the app can be used, and `further` conditions; equal to its status when nothing changed.

    `rollout` has the members of the status that say how far a rollout is; those of before stay without it.
    """
    app = view.resource
    problem = view.problem or (missing.message if missing is not None else "")
    usable = not problem
    reason = Reason.TEMPLATE_INVALID if view.problem or missing is None else missing.reason
    ready = Condition(
        type=ConditionType.READY,
        status="True" if usable else "False",
        reason=Reason.SUCCEEDED if usable else reason,
        message=shorten(problem or _in_order(view), _MESSAGE_LENGTH),
        last_transition_time=now,
        observed_generation=app.metadata.generation,
    )
    conditions = transitioned(app.status.conditions, (ready, *_assumed(view, now), *further), now)
    # `events` is the webhook's; a newer one of its has this write refused.
    return app.status.model_copy(
        update={
            "observed_generation": app.metadata.generation,
            "conditions": conditions,
            "deletion_policies": deletion_policies(app, now),
            **(rollout or {}),
        }
    )


def _assumed(view: CompiledApp, now: datetime) -> Iterator[Condition]:
    """Yield a warning where objects count as ready without anybody having said so."""
    found = assumed_ready(view.template) if view.template is not None else ()
    if found:
        example = "say in the step's readyWhen what ready means, such as object.status.phase == 'Running'"
        message = f"custom resources count as ready as soon as they are applied ({', '.join(found)}): {example}"
        yield Condition(
            type=ConditionType.READINESS_ASSUMED,
            status="True",
            reason=Reason.READY_WHEN_MISSING,
            message=shorten(message, _MESSAGE_LENGTH),
            last_transition_time=now,
            observed_generation=view.resource.metadata.generation,
        )


def _in_order(view: CompiledApp) -> str:
    warnings = view.template.warnings if view.template is not None else ()
    return "; warning: ".join(("hosts, template and rules are valid", *warnings))


def _key(app: TalkdeskApp, revision: str = "") -> tuple[str, int, str]:
    return app.metadata.uid, app.metadata.generation, revision


def _compiled(app: TalkdeskApp, *, allow_insecure: bool) -> CompiledApp:
    """Return the compiled app; an error that nobody foresaw is a problem of this app alone."""
    try:
        found = compile_app(app, allow_insecure=allow_insecure)
    except Exception as error:  # noqa: BLE001 - all apps are looked at together, and the others must go on
        found = CompiledApp(app, None, None, f"it can't be compiled: {type(error).__name__}")
    return replace(found, revision=revision_name(app))


class CompiledApps:
    """Compiled apps by uid and generation; the least recently used are dropped."""

    def __init__(
        self,
        cluster: Cluster,
        now: Callable[[], datetime],
        *,
        access: AccessReviews | None = None,
        allow_insecure: bool = False,
    ) -> None:
        """Take ports, and whether apps may allow plain http; without `access` nothing is said of rights."""
        self._cluster = cluster
        self._now = now
        self._reviews = AppReviews(cluster, now, access)
        self._compile = partial(_compiled, allow_insecure=allow_insecure)
        self._compiled: LruMap[tuple[str, int, str], CompiledApp] = LruMap(_MAX_COMPILED)

    async def prepare(self, app: TalkdeskApp, revision: str = "") -> None:
        """Compile a large app beside the event loop, so that `view` takes no time."""
        key = _key(app, revision)
        if self._compiled.peek(key) is None and measure(step.manifests for step in app.spec.tenant.steps)[1] > _LARGE:
            self._compiled.put(key, await aside(app, self._compile, app))

    def view(self, app: TalkdeskApp, revision: str = "") -> CompiledApp:
        """Return the app as the domain uses it; `revision` where its template is that of an older one."""
        key = _key(app, revision)
        known = self._compiled.get(key)
        if known is None:
            known = self._compile(app)
            self._compiled.put(key, known)
        return replace(known, resource=app)

    def all_views(self, app: TalkdeskApp) -> Iterator[CompiledApp]:
        """Yield the app, and what is known of it with older revisions of its template."""
        yield self.view(app)
        mine = _key(app)[:2]
        yield from (self._compiled.peek(key) or self.view(app) for key in tuple(self._compiled) if key[:2] == mine)

    async def write_status(
        self, app: TalkdeskApp, further: Sequence[Condition] = (), rollout: Mapping[str, Any] | None = None
    ) -> timedelta | None:
        """Write the app's status with these conditions beside its own, if it changed. Raises KubeError.

        A new reason why it can't be used is an Event, too. Returns after what time what is missing is to be looked for
        again; None when nothing is.
        """
        view, now = self.view(app), self._now()
        review = await self._reviews.look(view)
        conditions = (*review.conditions(app, now), *further)
        status = app_status(view, now, conditions, missing=review.missing, rollout=rollout)
        if status != app.status:
            await self._cluster.write_app_status(app, status)
            await self._report(app, status)
        return review.again

    async def _report(self, app: TalkdeskApp, status: AppStatus) -> None:
        now, was = (find(each.conditions, ConditionType.READY) for each in (status, app.status))
        if (
            now is not None
            and now.status == "False"
            and (was is None or (was.status, was.reason) != ("False", now.reason))
        ):
            event = EventDraft(warning=True, reason=now.reason, message=now.message, action="Check")
            await self._cluster.emit_event(app, event)
