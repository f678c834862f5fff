"""A tenant's services as the tenant's reconciler uses them: opened where there may be any, and nothing where not.

Belongs here: when a record is read, and what its outcome is for the tenant. Does not belong here: one service
(`tenant_hooks`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias

from talkdesk_crds.names import ANNOTATION_KEEP_SERVICES, tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Failure, Scope
from talkdesk_operator.domain.tenant.lost_record import is_record_lost
from talkdesk_operator.reconcilers.hooks.tenant_hooks import HookParts, TenantHooks
from talkdesk_operator.reconcilers.objects import Applied
from talkdesk_operator.reconcilers.progress import ServicesState
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_operator.templates.template import CompiledTemplate

__all__ = ["OpenedServices", "Prune", "Services"]

Prune: TypeAlias = Callable[[str], Awaitable[bool]]


@dataclass
class OpenedServices:
    """The services of one tenant, during one reconcile."""

    hooks: TenantHooks | None
    """None where there are none."""
    kept: bool = False
    """Whether a person said that they keep what they have."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """What they have answered, by the names of steps."""
        return self.hooks.outputs if self.hooks is not None else {}

    @property
    def known(self) -> tuple[str, ...]:
        """The steps whose services may have something of the tenant."""
        return self.hooks.known if self.hooks is not None and not self.kept else ()

    @property
    def wait(self) -> timedelta | None:
        """How long a service asked not to be asked."""
        return self.hooks.wait if self.hooks is not None else None

    def begin_filling(self) -> None:
        """Take what is known now as what the template is filled in with."""
        if self.hooks is not None:
            self.hooks.changed, self.hooks.wait = False, None

    async def call(self, step: RenderedStep) -> Failure | str:
        """Have a step's service have what is rendered; return what is waited for. Raises KubeError."""
        if self.hooks is None:
            raise LookupError(f"step {step.name} calls a service")
        if step.awaits:
            return f"step {step.name}: the outputs of {', '.join(sorted(step.awaits))} are not known yet"
        if step.http is None:
            raise LookupError(f"step {step.name} calls no service")
        outcome = await self.hooks.put(step.name, step.http, on_offboard=step.on_offboard, on_remove=step.on_remove)
        if outcome == "" and self.hooks.changed:
            return f"step {step.name}: what it answered is filled in"
        return outcome

    async def settle(self, applied: Applied, rendered: RenderedTenant, prune: Prune) -> Applied:
        """Have services of steps that left the template have nothing, where these say so. Raises KubeError.

        `prune` returns whether something may be deleted of the tenant, as it is now, and reports that it is.
        """
        hooks = self.hooks
        if hooks is None:
            return applied
        wanted = {step.name for step in rendered.steps if step.included}
        departed = [step for step in hooks.known if step not in wanted]
        for step in departed if applied.failure is None and not applied.waiting else ():
            if hooks.record.entries[step].on_remove != "Delete" or not await prune(step):
                continue
            outcome = await hooks.delete(step)
            if isinstance(outcome, Failure):
                applied = replace(applied, failure=outcome)
            elif outcome:
                applied = replace(applied, waiting=outcome)
        kept = tuple(step for step in hooks.known if step not in wanted)
        return replace(applied, services=ServicesState(hooks.known, kept, hooks.wait, hooks.changed))

    def keeping(self, template: CompiledTemplate) -> CompiledTemplate | None:
        """Return what of a template calls services that may keep something after an uninstall; None without any.

        Nothing else of it is to be filled in for a customer who has left, and could be.
        """
        steps = tuple(
            step
            for step in template.steps
            if step.http is not None and step.name in self.known and step.on_offboard != "Delete"
        )
        return replace(template, steps=steps) if steps else None

    async def lock_out(self, rendered: RenderedTenant) -> Failure | str:
        """Tell the services that keep what they have that the customer has left. Raises KubeError."""
        hooks = self.hooks
        for step in rendered.steps if hooks is not None else ():
            if hooks is None or step.http is None:
                continue
            outcome = await hooks.put(
                step.name, step.http, on_offboard=step.on_offboard, on_remove=step.on_remove, leaves=True
            )
            if outcome:
                return outcome
        return ""

    async def drop(self) -> None:
        """Delete the record. Raises KubeError."""
        if self.hooks is not None:
            await self.hooks.drop()

    def doomed(self) -> tuple[str, ...]:
        """Return the steps whose services are to have nothing any more after an uninstall."""
        entries = self.hooks.record.entries if self.hooks is not None else {}
        return tuple(step for step in self.known if entries[step].on_offboard == "Delete")


@dataclass(frozen=True)
class Services:
    """All tenants' services."""

    parts: HookParts | None

    async def opened(self, scope: Scope, app: CompiledApp) -> OpenedServices:
        """Read what there is of the scope's tenant at services. Raises KubeError."""
        tenant, template = scope.tenant, app.template
        calls = template is not None and any(step.http is not None for step in template.steps)
        if self.parts is None or not (calls or (tenant is not None and tenant.status.services)):
            return OpenedServices(None)
        name = tenant_name(app.resource.metadata.name, scope.installation.spec.account_id)
        novel = not is_record_lost(scope) and (tenant is None or not (tenant.status.steps or tenant.status.name))
        again = _asks_again(scope)
        return OpenedServices(await TenantHooks.opened(self.parts, app.resource, name, novel=novel, again=again))

    async def opened_for_offboarding(self, app: CompiledApp, tenant: TalkdeskTenant) -> OpenedServices:
        """Read what there is of a tenant at services, where there may be any. Raises KubeError."""
        calls = app.template is None or any(step.http is not None for step in app.template.steps)
        return await self.opened_for_purge(app, tenant) if calls or tenant.status.services else OpenedServices(None)

    async def opened_for_purge(self, app: CompiledApp, tenant: TalkdeskTenant) -> OpenedServices:
        """Read what there is of a tenant at services, whatever is on record elsewhere. Raises KubeError."""
        if self.parts is None:
            return OpenedServices(None)
        name = tenant.metadata.name
        kept = tenant.metadata.annotations.get(ANNOTATION_KEEP_SERVICES) == "true"
        return OpenedServices(await TenantHooks.opened(self.parts, app.resource, name, novel=False, again=True), kept)


def _asks_again(scope: Scope) -> bool:
    """Return whether what was refused is asked for once more: at a resync, and when the failure is tried again."""
    retry = scope.installation.status.retry
    return scope.resync or (retry is not None and retry.next_attempt_time <= scope.now)
