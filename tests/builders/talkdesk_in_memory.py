"""Talkdesk at the port that the reconcilers use: one installation, with the rules that the operator relies on."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from builders.journal import Journal
from builders.objects import NOON
from talkdesk_operator.domain.ports.talkdesk import (
    Access,
    Account,
    Decision,
    RemoteInstallation,
    RemoteState,
    RemoteTrial,
    Subscription,
    TalkdeskConflict,
    TalkdeskNotFound,
    TalkdeskUnauthorized,
    User,
    classify,
)

_AFTER = {
    ("installing", Decision.APPROVE): "completed",
    ("installing", Decision.REJECT): "rejected",
    ("updating", Decision.APPROVE): "completed",
    ("updating", Decision.REJECT): "completed",
    ("uninstalling", Decision.APPROVE): "uninstalled",
}


@dataclass
class TalkdeskInMemory:
    """Its calls are lines of the journal: `ASK installation`, `ANSWER Approve`, `ACKNOWLEDGE client-2`."""

    journal: Journal
    account_id: str
    remote: RemoteInstallation | None = field(
        default_factory=lambda: RemoteInstallation("i1", "installing", updated_at=NOON, created_by="admin-1")
    )
    """None when Talkdesk does not know the installation."""
    clients: set[str] = field(default_factory=lambda: {"client-1"})
    """Which credentials are good."""
    token_urls: set[str] | None = None
    """Which token URLs are good; None for all."""
    rotating: str = ""
    """The client whose acknowledgement is waited for."""
    company: str = "Acme Inc."
    account_name: str = "acme"
    plan: Subscription | None = field(default_factory=lambda: Subscription("paid", "universal", "Gold", 5))
    """None when Talkdesk knows of no subscription."""
    plan_after: Subscription | None = None
    """The plan that an update asks for: Talkdesk shows it once the update is approved."""
    trial_there: RemoteTrial | None = None
    pages: tuple[tuple[User, ...], ...] = ((User("u1"), User("u2")), (User("u3"),))
    effects: list[str] = field(default_factory=list)
    """Answers and acknowledgements that changed something."""
    forgotten: list[str] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    """How states are shown that are not shown by their own names."""
    clock: Callable[[], datetime] | None = None
    """Its clock, which dates the states that answers lead to; without one they keep the time of the state before."""

    def fork(self, journal: Journal) -> "TalkdeskInMemory":
        """Return a copy whose calls go to another journal."""
        return replace(self, journal=journal, clients=set(self.clients), accesses=[], forgotten=[], effects=[])

    def becomes(self, state: str, at: datetime | None = None) -> None:
        """Change the state; its time stays as it is, unless one is given."""
        assert self.remote is not None
        self.remote = replace(self.remote, state=state, updated_at=at or self.remote.updated_at)

    async def account(self, access: Access) -> Account:
        self._ask("account", access)
        return Account(self.account_id, self.account_name, self.company, "Europe/Lisbon")

    async def installation(self, access: Access, app_id: str, installation_id: str) -> RemoteInstallation:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        self._ask("installation", access)
        known = self._known()
        return replace(known, state=self.words.get(known.state, known.state))

    async def subscription(self, access: Access, app_id: str, installation_id: str) -> Subscription:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        self._ask("subscription", access)
        if self.plan is None:
            raise TalkdeskNotFound("no subscription")
        return self.plan

    async def trial(self, access: Access, app_id: str, installation_id: str) -> RemoteTrial:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        self._ask("trial", access)
        if self.trial_there is None:
            raise TalkdeskNotFound("no trial")
        return self.trial_there

    async def users(self, access: Access, app_id: str, installation_id: str) -> AsyncIterator[tuple[User, ...]]:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        self._ask("users", access)
        for page in self.pages:
            yield page

    async def answer(
        self, access: Access, app_id: str, installation_id: str, decision: Decision, reason: str
    ) -> datetime | None:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        words = f" ({reason})" if reason else ""
        self.journal.effect(f"ANSWER {decision}{words}", lambda: self._answered(access, decision))
        return self.remote.updated_at if self.remote is not None else None

    def _answered(self, access: Access, decision: Decision) -> None:
        self._authenticate(access)
        known = self._known()
        after = _AFTER.get((known.state, decision))
        if after is None:
            raise TalkdeskConflict("nothing waits for an answer")
        self.becomes(after, self.clock() if self.clock is not None else None)
        self.effects.append(f"{decision} {known.state}")
        if decision is Decision.APPROVE and self.plan_after is not None:
            self.plan, self.plan_after = self.plan_after, None
        if classify(after) is RemoteState.REVOKED:
            # Talkdesk revokes the credentials with the acknowledgement of an uninstall.
            self.clients.clear()

    async def acknowledge(self, access: Access, app_id: str, installation_id: str, client_id: str) -> None:
        assert (app_id, installation_id[0], installation_id[1:].isdecimal()) == ("app-1", "i", True)
        self.journal.effect(f"ACKNOWLEDGE {client_id}", lambda: self._acknowledged(access, client_id))

    def _acknowledged(self, access: Access, client_id: str) -> None:
        self._authenticate(access)
        if self.rotating != client_id:
            raise TalkdeskConflict("nothing to acknowledge")
        self.rotating, self.clients = "", {client_id}
        self.effects.append(f"acknowledged {client_id}")

    def forget(self, holder: str) -> None:
        self.forgotten.append(holder)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _ask(self, what: str, access: Access) -> None:
        self.accesses.append(access)
        self.journal.effect(f"ASK {what}", lambda: self._authenticate(access))

    def _authenticate(self, access: Access) -> None:
        known = self.token_urls is None or access.token_url in self.token_urls
        if access.credentials.client_id not in self.clients or not known:
            raise TalkdeskUnauthorized("the client is not known")

    def _known(self) -> RemoteInstallation:
        if self.remote is None:
            raise TalkdeskNotFound("no such installation")
        return self.remote
