"""Reconcile one installation: observe, decide and act until nothing is left to do; then write the status, once.

The process may end after any effect. So each effect is either found again by reading (Talkdesk's state, the inventory)
or recorded before it happens (the answer to an uninstall).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from talkdesk_crds.conditions import EventReason
from talkdesk_crds.installation import Answer, Decision, InstallationStatus, RequestType, TalkdeskInstallation
from talkdesk_operator.domain.installation.kube_events import events_for
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.error_policy import cluster_failure
from talkdesk_operator.domain.reconcile.scope import Scope, SendState
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    DeactivateUsers,
    DeleteCredentials,
    DeletePreviousCredentials,
    Erase,
    Finish,
    Offboard,
    Provision,
    Purge,
    ReadCredentials,
    ReadTalkdesk,
    RecordAnswer,
    RecordMissedRequest,
    RemoveFinalizer,
    Send,
    Step,
    SyncUsers,
)
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound

__all__ = ["InstallationReconciler", "Outcome", "Reread"]

_MAX_STEPS = 40
"""More than the longest way from a request to its end; a reconcile that needs more goes in circles."""

Reread = Callable[[TalkdeskInstallation], TalkdeskInstallation | None]
"""Returns the newest known version of an installation; None when it is gone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reconcile ended."""

    scope: Scope
    finish: Finish | None
    """None when the object is gone."""
    status: InstallationStatus


class InstallationReconciler:
    """Carries out what the domain decides for one installation."""

    def __init__(
        self,
        cluster: Cluster,
        talkdesk: TalkdeskSteps,
        tenants: TenantReconciler,
        users: LicensedUsers,
        *,
        reread: Reread,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        answered: Callable[[RequestType, Decision, str, float], None],
    ) -> None:
        """Take ports; `answered` is told of every answer: its outcome, and the seconds since the event.

        `chance` returns a random number from 0 to 1, which spreads retries.
        """
        self._cluster = cluster
        self._talkdesk = talkdesk
        self._tenants = tenants
        self._users = users
        self._reread = reread
        self._now = now
        self._chance = chance
        self._answered = answered
        self._log = structlog.get_logger("talkdesk_operator.installation")

    async def reconcile(self, scope: Scope) -> Outcome:
        """Execute steps until the domain says Finish. Raises KubeError when not even the status can be written."""
        scope = replace(scope, answer=_answer_so_far(scope.installation))
        for _ in range(_MAX_STEPS):
            step = decide(scope)
            if isinstance(step, Finish):
                return await self._finish(scope, step)
            if isinstance(step, RemoveFinalizer):
                await self._cluster.remove_finalizer(scope.installation)
                return Outcome(scope, None, scope.installation.status)
            try:
                scope = replace(await self._execute(step, scope), now=self._now())
            except KubeError as error:
                scope = replace(scope, failure=cluster_failure(error))
        raise RuntimeError(f"{scope.installation.metadata.name}: no end after {_MAX_STEPS} steps")

    async def _execute(self, step: Step, scope: Scope) -> Scope:
        match step:
            case ReadCredentials():
                return await self._talkdesk.read_credentials(scope)
            case ReadTalkdesk():
                return await self._talkdesk.read(scope, step)
            case Provision():
                return await self._tenants.provision(scope)
            case Offboard():
                return await self._tenants.offboard(scope)
            case Purge():
                return await self._tenants.purge(scope)
            case SyncUsers() | DeactivateUsers() | Acknowledge() | DeletePreviousCredentials() | RecordMissedRequest():
                return await self._execute_upkeep(step, scope)
            case RecordAnswer(decision=decision):
                return await self._record_answer(scope, decision)
            case Send():
                return await self._send(scope, step)
            case DeleteCredentials():
                self._talkdesk.forget(scope)
                await self._cluster.delete_credentials(scope.installation)
                return replace(scope, credentials_deleted=True)
            case Erase():
                await self._cluster.erase(scope.installation)
                known = self._reread(scope.installation) or scope.installation
                return replace(scope, erased=True, installation=known)
            case RemoveFinalizer() | Finish():
                return scope

    async def _execute_upkeep(
        self,
        step: SyncUsers | DeactivateUsers | Acknowledge | DeletePreviousCredentials | RecordMissedRequest,
        scope: Scope,
    ) -> Scope:
        match step:
            case SyncUsers():
                return await self._users.sync(scope)
            case DeactivateUsers():
                return await self._users.deactivate(scope)
            case Acknowledge():
                return await self._talkdesk.acknowledge(scope)
            case DeletePreviousCredentials():
                await self._cluster.delete_previous_credentials(scope.installation, scope.now)
                return replace(scope, previous_versions_deleted=True)
            case RecordMissedRequest(request=request):
                await self._cluster.record_missed_request(scope.installation, request)
                known = self._reread(scope.installation) or scope.installation
                return replace(scope, installation=known, answer=_answer_so_far(known), missed_request_recorded=True)

    async def _record_answer(self, scope: Scope, decision: Decision) -> Scope:
        answer = Answer(event_id=scope.request.event_id, decision=decision, send_time=_whole_seconds(self._now()))
        status = scope.installation.status.model_copy(update={"answer": answer})
        await self._cluster.write_installation_status(scope.installation, status)
        installation = scope.installation.model_copy(update={"status": status})
        return replace(scope, answer=answer, installation=installation)

    async def _send(self, scope: Scope, send: Send) -> Scope:
        # The call answers whatever is pending. So it must not be made for a request that another has replaced.
        known = self._reread(scope.installation)
        if known is None or known.spec.request != scope.installation.spec.request:
            return replace(scope, sent=SendState.OUTDATED)
        send_time, decision = self._now(), send.decision
        scope = await self._talkdesk.send(scope, decision, send.reason)
        outcome = "delivered" if scope.sent is SendState.DELIVERED else "unclear"
        age = (self._now() - scope.request.event_time).total_seconds()
        self._answered(scope.request.type, decision, outcome, age)
        if scope.sent is not SendState.DELIVERED:
            return scope
        answer = scope.answer or Answer(
            event_id=scope.request.event_id, decision=decision, send_time=_whole_seconds(send_time)
        )
        answer = answer.model_copy(
            update={
                "delivery_time": _whole_seconds(self._now()),
                "decision": decision,
                "reason": send.reason[:256] or None,
            }
        )
        # An uninstall is over only when Talkdesk shows it, so its state is read once more.
        verify = scope.request.type is RequestType.UNINSTALL
        return replace(scope, answer=answer, remote=None if verify else scope.remote)

    async def _finish(self, scope: Scope, finish: Finish) -> Outcome:
        before = scope.installation.status
        status = compute(scope, finish, jitter=self._chance())
        if status != before:
            try:
                await self._cluster.write_installation_status(scope.installation, status)
            except KubeNotFound:
                return Outcome(scope, None, status)
        events = tuple(events_for(before, status))
        if not events and scope.drifted and finish.ready:
            events = (_DRIFT_CORRECTED,)
        await self._emit(scope.installation, events)
        return Outcome(scope, finish, status)

    async def _emit(self, installation: TalkdeskInstallation, events: Sequence[EventDraft]) -> None:
        namespace, name = installation.key
        for event in events:
            self._log.info(
                "installation.transition",
                reason=event.reason,
                message=event.message,
                namespace=namespace,
                installation=name,
            )
            await self._cluster.emit_event(installation, event)


_DRIFT_CORRECTED = EventDraft(
    warning=False,
    reason=EventReason.DRIFT_CORRECTED,
    message="somebody else changed or deleted an object of the tenant; it was applied again",
    action="Apply",
)


def _answer_so_far(installation: TalkdeskInstallation) -> Answer | None:
    request, answer = installation.spec.request, installation.status.answer
    return answer if request is not None and answer is not None and answer.event_id == request.event_id else None


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
