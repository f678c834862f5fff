"""Talkdesk as the operator calls it: the model's truth behind the port, with every call a point of choice."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from itertools import count
from typing import TypeVar

from model.hook_properties import judge_service_at_answer
from model.properties import judge_acknowledgement, judge_answer
from model.records import ACCOUNT
from model.scim_truth import user
from model.talkdesk_truth import Remote, Truth, moment
from model.world import World, place_of
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Account,
    Decision,
    RemoteInstallation,
    RemoteTrial,
    Subscription,
    TalkdeskConflict,
    TalkdeskNotFound,
    TalkdeskUnauthorized,
    User,
)

__all__ = ["TalkdeskPort", "remote_of"]

T = TypeVar("T")


def remote_of(installation: str, state: str, since: int) -> RemoteInstallation:
    """Return what Talkdesk shows of an installation."""
    return RemoteInstallation(installation, state, updated_at=moment(since), created_by="admin-1")


class TalkdeskPort:
    """Implements TalkdeskApi."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def account(self, access: Access) -> Account:
        return self._ask("account", access, lambda: Account(ACCOUNT, "acme", "Acme Inc.", "Europe/Lisbon"))

    async def installation(self, access: Access, app_id: str, installation_id: str) -> RemoteInstallation:
        assert app_id == "app-1"

        def read() -> RemoteInstallation:
            known = self._known(installation_id)
            self._world.read[installation_id] = known.waiting
            return remote_of(installation_id, known.state, known.since)

        return self._ask(f"installation {installation_id}", access, read)

    async def subscription(self, access: Access, app_id: str, installation_id: str) -> Subscription:
        assert (app_id, bool(installation_id)) == ("app-1", True)
        plan = partial(self._known, installation_id)
        return self._ask("subscription", access, lambda: Subscription(plan().plan, "universal", "Gold", 5))

    async def trial(self, access: Access, app_id: str, installation_id: str) -> RemoteTrial:
        assert app_id == "app-1"
        return self._ask("trial", access, partial(self._trial, installation_id))

    async def users(self, access: Access, app_id: str, installation_id: str) -> AsyncIterator[tuple[User, ...]]:
        assert app_id == "app-1"
        for number in count():
            page = self._ask("users", access, partial(self._listed, installation_id, number))
            if not page:
                return
            yield page

    async def answer(
        self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str
    ) -> datetime | None:
        assert (app_id, reason) == ("app-1", "")
        raw = self._world.seen.get(place_of(installation_id))
        asked = raw["spec"].get("request", {}) if raw is not None else {}

        def arrive() -> datetime:
            self._authenticate(access)
            judge_answer(self._world, installation_id, decision, asked)
            judge_service_at_answer(self._world, installation_id, decision)
            changed = self._world.talkdesk.answer(installation_id, decision, self._now)
            return self._change(changed, "nothing waits for an answer")

        accepted: datetime = self._world.effect(f"ANSWER {installation_id} {decision}", arrive)
        return accepted

    async def acknowledge(self, access: Access, app_id: str, installation_id: str, client_id: str) -> None:
        assert app_id == "app-1"

        def arrive() -> None:
            self._authenticate(access)
            judge_acknowledgement(self._world, installation_id, client_id)
            self._change(self._world.talkdesk.acknowledge(installation_id, client_id), "nothing to acknowledge")

        self._world.effect(f"ACKNOWLEDGE {installation_id} {client_id}", arrive)

    def forget(self, holder: str) -> None:
        """No tokens are kept."""

    async def aclose(self) -> None:
        """Nothing is open."""

    @property
    def _now(self) -> int:
        return int((self._world.moment() - moment(0)).total_seconds())

    def _change(self, changed: Truth | None, refusal: str) -> datetime:
        if changed is None:
            raise TalkdeskConflict(refusal)
        self._world.follow(changed)
        return self._world.moment()

    def _ask(self, what: str, access: Access, read: Callable[[], T]) -> T:
        def happen() -> T:
            self._authenticate(access)
            found = read()
            self._world.proven.add(access.credentials.client_id)
            return found

        answer: T = self._world.effect(f"ASK {what}", happen)
        return answer

    def _authenticate(self, access: Access) -> None:
        client = access.credentials.client_id
        if not any(client in remote.clients for _, remote in self._world.talkdesk.installations):
            raise TalkdeskUnauthorized(f"{client} is not known")

    def _trial(self, installation: str) -> RemoteTrial:
        trial = self._known(installation).trial
        if trial is None:
            raise TalkdeskNotFound("no trial")
        began, until = moment(trial.began), moment(trial.until)
        if trial.ended < 0:
            return RemoteTrial("active", expires_at=until, started_at=began)
        return RemoteTrial("ended", until, moment(trial.ended), trial.reason, began)

    def _listed(self, installation: str, number: int) -> tuple[User, ...]:
        """Return a page of the list, with one user; an empty one after the last."""
        return tuple(map(user, self._known(installation).users[number : number + 1]))

    def _known(self, installation: str) -> Remote:
        known = self._world.talkdesk.find(installation)
        if known is None:
            raise TalkdeskNotFound("no such installation")
        return known
