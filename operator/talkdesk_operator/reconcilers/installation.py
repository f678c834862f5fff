"""Reconcile one installation: observe, decide and act until nothing is left to do; then write the status, once.

The process may end after any effect, so each is found again by reading (such as the inventory), or recorded before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from talkdesk_crds.installation import Decision, InstallationStatus, RequestType
from talkdesk_operator.domain.installation.answer_record import about_to_be_sent, delivered, not_delivered
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.reconcile.error_policy import cluster_failure
from talkdesk_operator.domain.reconcile.scope import Scope, SendState
from talkdesk_operator.domain.reconcile.steps import (
    Acknowledge,
    CheckNamespace,
    DeactivateUsers,
    DeleteCredentials,
    DeleteHistory,
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
    RecoverRecord,
    RemoveFinalizer,
    Send,
    Step,
    SyncUsers,
)
from talkdesk_operator.reconcilers.aside import aside, here_or_aside
from talkdesk_operator.reconcilers.installation_statuses import InstallationStatuses, Reread, answer_so_far
from talkdesk_operator.reconcilers.notifications.notifier import Notifier
from talkdesk_operator.reconcilers.object_end import ObjectEnd
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.reconcilers.tenant import TenantReconciler
from talkdesk_operator.reconcilers.tenant_removal import OVERTAKEN
from talkdesk_operator.reconcilers.users.licensed import LicensedUsers
from talkdesk_runtime.kube_errors import KubeConflict, KubeError

__all__ = ["InstallationReconciler", "Outcome"]

_MAX_STEPS = 40
"""More than the longest way from a request to its end; a reconcile that needs more goes in circles."""


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
        answered: Callable[[RequestType, Decision, str, float], None],
        statuses: InstallationStatuses,
    ) -> None:
        """Take ports; `answered` is told of every answer: its outcome, and the seconds since the event."""
        self._cluster = cluster
        self._talkdesk = talkdesk
        self._tenants = tenants
        self._users = users
        self._reread = reread
        self._now = now
        self._answered = answered
        self._statuses = statuses
        self._end = ObjectEnd(cluster, reread)

    async def reconcile(self, scope: Scope) -> Outcome:
        """Execute steps until the domain says Finish.

        Raises KubeConflict when somebody else wrote meanwhile, and KubeError when not even the status can be written.
        """
        scope = replace(scope, answer=answer_so_far(scope.installation))
        for _ in range(_MAX_STEPS):
            step = await _decided(scope)
            if isinstance(step, Finish):
                return await self._finished(scope, step)
            try:
                if isinstance(step, RemoveFinalizer | DeleteHistory):
                    held = await self._end.carry_out(step, scope.installation)
                    if held is None:
                        self._talkdesk.forget(scope)
                        return Outcome(scope, None, scope.installation.status)
                    scope = replace(scope, installation=held)
                    continue
                scope = replace(await self._execute(step, scope), now=self._now())
            except KubeConflict:
                # What was read is not what is: nothing may follow from it but the record of an answer that was sent.
                await self._statuses.keep_answer(scope)
                raise
            except KubeError as error:
                scope = replace(scope, failure=cluster_failure(error))
        raise RuntimeError(f"{scope.installation.metadata.name}: no end after {_MAX_STEPS} steps")

    @property
    def notifier(self) -> Notifier:
        """Who tells the app's endpoints what happens."""
        return self._statuses.notifier

    async def _finished(self, scope: Scope, finish: Finish) -> Outcome:
        status = await self._statuses.write(scope, finish)
        return Outcome(scope, None if status is None else finish, status or scope.installation.status)

    async def _execute(self, step: Step, scope: Scope) -> Scope:
        match step:
            case ReadCredentials():
                return await self._talkdesk.read_credentials(scope)
            case ReadTalkdesk():
                return await self._talkdesk.read(scope, step)
            case Provision() | Offboard() | Purge() | RecoverRecord():
                return await self._execute_on_tenant(step, scope)
            case (
                SyncUsers()
                | DeactivateUsers()
                | Acknowledge()
                | DeletePreviousCredentials()
                | RecordMissedRequest()
                | CheckNamespace()
            ):
                return await self._execute_upkeep(step, scope)
            case RecordAnswer(decision=decision):
                return await self._record_answer(scope, decision)
            case Send():
                return await self._send(scope, step)
            case DeleteCredentials(sweep=sweep):
                self._talkdesk.forget(scope)
                await self._cluster.delete_credentials(scope.installation, sweep=sweep)
                return replace(scope, credentials_deleted=True)
            case Erase():
                return await self._erase(scope)
            case RemoveFinalizer() | DeleteHistory() | Finish():
                return scope

    async def _execute_on_tenant(self, step: Provision | Offboard | Purge | RecoverRecord, scope: Scope) -> Scope:
        match step:
            case Provision():
                return await self._tenants.provision(scope)
            case Offboard():
                return await self._tenants.offboard(scope)
            case Purge():
                return await self._tenants.purge(scope)
            case RecoverRecord():
                return await self._tenants.recover(scope)

    async def _erase(self, scope: Scope) -> Scope:
        failure = await self._users.forget_orphaned(scope)
        if failure is not None:
            return replace(scope, failure=failure)
        await self._cluster.erase(scope.installation)
        known = self._reread(scope.installation) or scope.installation
        return replace(scope, erased=True, installation=known)

    async def _execute_upkeep(
        self,
        step: SyncUsers
        | DeactivateUsers
        | Acknowledge
        | DeletePreviousCredentials
        | RecordMissedRequest
        | CheckNamespace,
        scope: Scope,
    ) -> Scope:
        match step:
            case SyncUsers():
                return await self._users.sync(scope)
            case DeactivateUsers() if await self._tenants.is_overtaken(scope):
                return replace(scope, failure=OVERTAKEN)
            case DeactivateUsers():
                return await self._users.deactivate(scope)
            case Acknowledge():
                return await self._talkdesk.acknowledge(scope)
            case DeletePreviousCredentials(sweep=sweep):
                try:
                    await self._cluster.delete_previous_credentials(scope.installation, scope.now, sweep=sweep)
                except KubeError as error:
                    return replace(scope, deletion_failure=cluster_failure(error))
                return replace(scope, previous_versions_deleted=True)
            case CheckNamespace():
                terminating = await self._cluster.is_terminating(scope.installation.metadata.namespace)
                return replace(scope, namespace_terminating=terminating)
            case RecordMissedRequest(request=request):
                await self._cluster.record_missed_request(scope.installation, request)
                known = self._reread(scope.installation) or scope.installation
                return replace(scope, installation=known, answer=answer_so_far(known), missed_request_recorded=True)

    async def _record_answer(self, scope: Scope, decision: Decision) -> Scope:
        answer = about_to_be_sent(scope, decision, self._now())
        status = await self._statuses.announce(scope, answer)
        installation = self._reread(scope.installation) or scope.installation.model_copy(update={"status": status})
        if installation.spec.request != scope.installation.spec.request:
            raise KubeConflict("another request came while the answer was put on record")
        return replace(scope, answer=answer, answer_recorded=True, installation=installation)

    async def _send(self, scope: Scope, send: Send) -> Scope:
        # The call answers whatever is pending. So it must not be made for a request that another has replaced.
        known = self._reread(scope.installation)
        if known is None or known.spec.request != scope.installation.spec.request:
            return replace(scope, sent=SendState.OUTDATED)
        announced = about_to_be_sent(scope, send.decision, self._now())
        scope, result_time = await self._talkdesk.send(scope, send.decision, send.reason)
        now, outcome = self._now(), _OUTCOMES[scope.sent or SendState.REFUSED]
        self._answered(scope.request.type, send.decision, outcome, (now - scope.request.event_time).total_seconds())
        if scope.sent is not SendState.DELIVERED:
            return replace(scope, answer=not_delivered(scope, announced))
        # An uninstall is over only when Talkdesk shows it, so its state is read once more.
        verify = scope.request.type is RequestType.UNINSTALL
        answer = delivered(announced, send, result_time, now)
        return replace(scope, answer=answer, remote=None if verify else scope.remote)


_OUTCOMES = dict.fromkeys(SendState, "refused") | {SendState.DELIVERED: "delivered", SendState.UNCLEAR: "unclear"}


async def _decided(scope: Scope) -> Step:
    """Return what the domain decides; beside the event loop where a rule of the app may take long."""
    if scope.app is None:
        return decide(scope)
    long = any(rule.expression.may_be_long for rule in scope.app.reject_rules)
    return await (aside if long else here_or_aside)(scope.app.resource, decide, scope)
