"""What customers do, at random but by a seed: whatever Talkdesk lets them do in the state in which they are."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from talkdesk_sandbox.simulator import Simulator, commands
from talkdesk_sandbox.simulator.state import PENDING, Installation, InstallationState

__all__ = ["Lives", "Mix"]


@dataclass(frozen=True)
class Mix:
    """How likely each act is, next to the others."""

    install: int = 30
    update: int = 30
    rotate: int = 20
    trial: int = 5
    uninstall: int = 15
    reinstall: int = 8
    trials: float = 0.3
    """Share of installs on trial."""


@dataclass
class Lives:
    """Customers of one app."""

    simulator: Simulator
    app_id: str
    rng: random.Random
    most: int
    """How many accounts there are at most."""
    mix: Mix = field(default_factory=Mix)
    accounts: list[str] = field(default_factory=list)
    """By name."""
    newest: dict[str, str] = field(default_factory=dict)
    """The newest installation of each."""

    @property
    def events(self) -> int:
        """Return how many events Talkdesk has sent, or tries to."""
        return len(self.simulator.dispatcher.log)

    def act(self) -> None:
        """Let one customer do one thing."""
        acts: dict[Callable[[], None], int] = {
            self._install: self.mix.install if len(self.accounts) < self.most else 0,
            self._update: self.mix.update,
            self._rotate: self.mix.rotate,
            self._trial: self.mix.trial,
            self._uninstall: self.mix.uninstall,
            self._reinstall: self.mix.reinstall,
        }
        self.rng.choices(list(acts), list(acts.values()))[0]()

    def pending(self) -> list[Installation]:
        """Return the installations that wait for an answer."""
        return [each for each in self.simulator.state.installations.values() if each.state in PENDING]

    def of(self, account: str) -> Installation:
        """Return the newest installation of an account."""
        return self.simulator.state.installation(self.newest[account])

    def _install(self) -> None:
        name = f"customer-{len(self.accounts)}"
        subscription = commands.SubscriptionSpec(type="trial" if self.rng.random() < self.mix.trials else "paid")
        command = commands.Install(account=name, app_id=self.app_id, users=1, subscription=subscription)
        self.newest[name] = self.simulator.install(command).installation_id
        self.accounts.append(name)

    def _update(self) -> None:
        if (it := self._any(InstallationState.COMPLETED, InstallationState.INSTALLING)) is not None:
            licenses = it.subscription.licenses + 1
            self.simulator.update(commands.Update(installation=it.id, licenses=licenses, plan="Gold"))

    def _rotate(self) -> None:
        if (it := self._any(InstallationState.COMPLETED, InstallationState.UPDATING)) is not None:
            compromised = self.rng.random() < 0.1
            self.simulator.rotate(commands.Rotate(installation=it.id, compromised=compromised))

    def _trial(self) -> None:
        it = self._any(InstallationState.COMPLETED)
        if it is None or it.trial is None or it.trial.ended_at is not None:
            return
        action = commands.TrialCommand(installation=it.id, action="end")
        if self.rng.random() < 0.5:
            action = commands.TrialCommand(installation=it.id, action="extend", length=timedelta(days=10))
        self.simulator.trial(action)

    def _uninstall(self) -> None:
        states = (InstallationState.COMPLETED, InstallationState.INSTALLING, InstallationState.UPDATING)
        if (it := self._any(*states)) is not None:
            self.simulator.uninstall(commands.Uninstall(installation=it.id))

    def _reinstall(self) -> None:
        if (it := self._any(InstallationState.UNINSTALLED)) is not None:
            name = self.simulator.state.account_of(it).name
            self.newest[name] = self.simulator.reinstall(
                commands.Reinstall(account=name, app_id=self.app_id)
            ).installation_id

    def _any(self, *states: InstallationState) -> Installation | None:
        """Return the newest installation of some account, if it is in one of these states."""
        for _ in range(20 if self.accounts else 0):
            it = self.of(self.rng.choice(self.accounts))
            if it.state in states:
                return it
        return None
