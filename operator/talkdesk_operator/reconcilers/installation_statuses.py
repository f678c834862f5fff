"""Writing an installation's status at the end of a reconcile, once, with what is to be told of it.

Belongs here: the write, what follows from it, and an answer that must not be lost. Does not belong here: what the
status says (`domain.installation.status`, `domain.notifications`).
"""

from collections.abc import Callable, Mapping

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import EventReason
from talkdesk_crds.installation import Answer, InstallationStatus, TalkdeskInstallation
from talkdesk_operator.domain.installation.kube_events import events_for
from talkdesk_operator.domain.installation.status import compute
from talkdesk_operator.domain.notifications.outbox import Deliveries, settled, with_news, with_request
from talkdesk_operator.domain.ports.cluster import Cluster
from talkdesk_operator.domain.ports.kube_event import EventDraft
from talkdesk_operator.domain.reconcile.scope import Scope
from talkdesk_operator.domain.reconcile.steps import Finish
from talkdesk_operator.reconcilers.aside import here_or_aside
from talkdesk_operator.reconcilers.notifications.notifier import NoNotifier, Notifier
from talkdesk_operator.reconcilers.transitions import Transitions
from talkdesk_runtime.kube_errors import KubeConflict, KubeNotFound

__all__ = ["InstallationStatuses", "Reread", "answer_so_far"]

Reread = Callable[[TalkdeskInstallation], TalkdeskInstallation | None]
"""Returns the newest known version of an installation; None when it is gone."""


class InstallationStatuses:
    """Statuses of installations."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        reread: Reread,
        chance: Callable[[], float],
        notifier: Notifier | None = None,
    ) -> None:
        """Take ports; `chance` returns a random number from 0 to 1, which spreads retries.

        Without `notifier` what is to be told is put down, and nobody is told.
        """
        self._cluster = cluster
        self._reread = reread
        self._chance = chance
        self.notifier = notifier or NoNotifier()
        self._transitions = Transitions(cluster)

    async def write(self, scope: Scope, finish: Finish) -> InstallationStatus | None:
        """Return the status as it is now; None when the object is gone.

        Raises KubeConflict when somebody else wrote meanwhile, and KubeError when it can't be written.
        """
        before = scope.installation.status
        made = self.notifier.deliveries(scope.installation)
        status = await self._told(scope, finish, compute(scope, finish, jitter=self._chance()), made)
        if status != before:
            try:
                await self._cluster.write_installation_status(scope.installation, status)
            except KubeNotFound:
                if self._reread(scope.installation) is not None:
                    raise
                return None
            except KubeConflict:
                await self.keep_answer(scope)
                raise
        self.notifier.recorded(scope.installation, made)
        self.notifier.offer(self._reread(scope.installation) or scope.installation)
        events = tuple(events_for(before, status))
        if not events and scope.drifted and finish.ready:
            events = (_DRIFT_CORRECTED,)
        await self._transitions.report(scope.installation, events)
        return status

    async def _told(
        self, scope: Scope, finish: Finish, status: InstallationStatus, made: Mapping[str, Deliveries]
    ) -> InstallationStatus:
        """Return the status with what happened put down to be told, in the same write, and what was delivered."""
        app = scope.app.resource if scope.app is not None else None
        status = await here_or_aside(app, with_news, scope, status, erased=finish.erased or scope.erased)
        if app is None:
            return status
        return self._settled(scope, app, status, made)

    def _settled(
        self, scope: Scope, app: TalkdeskApp, status: InstallationStatus, made: Mapping[str, Deliveries]
    ) -> InstallationStatus:
        generation = scope.installation.metadata.generation
        return settled(status, app, made, scope.now, jitter=self._chance(), generation=generation)

    async def announce(self, scope: Scope, answer: Answer) -> InstallationStatus:
        """Put an answer on record before its call, and the request down to be told; return the status.

        Raises KubeConflict when somebody else wrote meanwhile, and KubeError when it can't be written.
        """
        status, facts = scope.installation.status.model_copy(update={"answer": answer}), scope.facts
        if scope.app is not None and scope.app.endpoints:
            known = {} if facts is None else {"account": facts.account, "subscription": facts.subscription}
            app, status = scope.app.resource, status.model_copy(update=known)
            status = await here_or_aside(app, with_request, scope, status, erased=scope.erased)
            status = self._settled(scope, app, status, {})
        await self._cluster.write_installation_status(scope.installation, status)
        await self._transitions.report(scope.installation, events_for(scope.installation.status, status))
        return status

    async def keep_answer(self, scope: Scope) -> None:
        """Record an answer that Talkdesk has, in a status that somebody else wrote meanwhile, unless it has one."""
        answer, known = scope.answer, self._reread(scope.installation)
        if answer is None or answer.delivery_time is None or known is None or known.spec.request is None:
            return
        if answer == scope.installation.status.answer or known.spec.request.event_id != answer.event_id:
            return
        there = answer_so_far(known)
        if there is None or there.delivery_time is None:
            status = known.status.model_copy(update={"answer": answer})
            await self._cluster.write_installation_status(known, status)


_DRIFT_CORRECTED = EventDraft(
    warning=False,
    reason=EventReason.DRIFT_CORRECTED,
    message="somebody else changed or deleted an object of the tenant; it was applied again",
    action="Apply",
)


def answer_so_far(installation: TalkdeskInstallation) -> Answer | None:
    """Return the answer to the request that is in the spec, as far as it is on record."""
    request, answer = installation.spec.request, installation.status.answer
    return answer if request is not None and answer is not None and answer.event_id == request.event_id else None
