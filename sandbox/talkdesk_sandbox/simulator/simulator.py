"""The simulator: an engine with a method for each command.

Belongs here: carrying out commands. Does not belong here: HTTP (`control`), rules (`lifecycle`), time (`engine`).
Commands are quick and don't wait for deliveries.
"""

from datetime import timedelta
from typing import Any

from talkdesk_sandbox.simulator import accounts, commands, installations, results, rotation, trials, views
from talkdesk_sandbox.simulator.engine import Engine
from talkdesk_sandbox.simulator.events import user_logout
from talkdesk_sandbox.simulator.model import Change, Installation, Subscription

_TICK_SECONDS = 0.25
_MONTH = timedelta(days=30)


class Simulator(Engine):
    """A pretend Talkdesk without its HTTP side."""

    # What customers do.

    def install(self, command: commands.Install) -> results.Outcome:
        """Install an app. Raises ConflictError for a taken account id."""
        now, app = self.clock.now(), self.world.ensure_app(command.app_id, self.clock.now())
        account = accounts.ensure_account(
            self.world,
            command.account,
            now,
            account_id=command.account_id,
            company_name=command.company_name,
            timezone=command.timezone,
            root=command.root,
        )
        accounts.add_users(account, max(0, command.users - len(account.users)), now)
        licensed = list(account.users)[: command.users]
        wanted = Subscription(**command.subscription.model_dump())
        installation = installations.install(self.world, app, account, wanted, licensed, now)
        return self._done(installation, command)

    def update(self, command: commands.Update) -> results.Outcome:
        """Ask for a change. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        account, current = self.world.account_of(installation), installation.subscription
        if isinstance(command.adding, int):
            adding = [user.id for user in accounts.add_users(account, command.adding, now)]
        else:
            adding = [self.world.user(account, user_id).id for user_id in command.adding]
        change = Change(adding, list(command.removing))
        if {command.plan, command.type, command.licenses} != {None}:
            licenses = current.licenses if command.licenses is None else command.licenses
            change.subscription = Subscription(command.plan or current.name, command.type or current.type, licenses)
        installations.update(self.world, installation, change, now)
        return self._done(installation, command)

    def uninstall(self, command: commands.Uninstall) -> results.Outcome:
        """Ask for the uninstall. Raises NotFoundError, ConflictError."""
        installation = self._find(command)
        reason = {"type": command.reason_type, "message": command.reason}
        installations.uninstall(self.world, installation, reason, self.clock.now())
        return self._done(installation, command)

    def reinstall(self, command: commands.Reinstall) -> results.Outcome:
        """Install again what the account had. Raises NotFoundError."""
        before = self.world.newest(command.account, command.app_id, live=False)
        same = self.world.rules.reinstall_same_id if command.same_id is None else command.same_id
        installation = installations.install(
            self.world,
            self.world.app(before.app_id),
            self.world.account_of(before),
            before.subscription,
            before.users,
            self.clock.now(),
            installation_id=before.id if same else None,
        )
        return self._done(installation, command)

    def logout(self, command: commands.Logout) -> results.Outcome:
        """Log a user out. Raises NotFoundError."""
        installation = self._find(command)
        user_id = command.user or next(iter(installation.users), "")
        user = self.world.user(self.world.account_of(installation), user_id)
        content = user_logout(installation, user, self.world.links_of(self.world.account_of(installation)))
        self.world.raise_event("user.logout", installation, content, self.clock.now())
        return self._done(installation, command)

    # What Talkdesk and its staff do.

    def rotate(self, command: commands.Rotate) -> results.Outcome:
        """Rotate credentials. Raises NotFoundError, ConflictError."""
        installation = self._find(command)
        rotation.rotate(self.world, installation, self.clock.now(), compromised=command.compromised)
        return self._done(installation, command)

    def trial(self, command: commands.TrialCommand) -> results.Outcome:
        """Start, extend or end a trial. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        match command.action:
            case "start":
                trials.start(self.world, installation, now, command.length)
            case "extend":
                trials.extend(self.world, installation, command.length or _MONTH, now)
            case "end":
                trials.end(self.world, installation, command.reason, now)
        return self._done(installation, command)

    def supervise(self, command: commands.Supervise) -> results.Outcome:
        """Suspend, resume or revoke. Raises NotFoundError, ConflictError."""
        now, installation = self.clock.now(), self._find(command)
        match command.action:
            case "suspend":
                installations.suspend(installation, now)
            case "resume":
                installations.resume(installation, now)
            case "revoke":
                installations.revoke(installation, now)
        return self._done(installation, None)

    def change_users(self, command: commands.Users) -> list[str]:
        """Change an account's users; return the ids of the added ones. Raises NotFoundError."""
        account = self.world.account(command.account)
        for user_id in command.deactivate:
            self.world.user(account, user_id).active = False
        accounts.remove_users(self.world, account, list(command.remove))
        added = [user.id for user in accounts.add_users(account, command.add, self.clock.now())]
        if command.license:
            for installation in self.world.installations.values():
                if installation.account_id == account.id:
                    installation.users |= dict.fromkeys(added)
        return added

    def rename(self, command: commands.Rename) -> None:
        """Rename an account. Raises NotFoundError, ConflictError."""
        accounts.rename(self.world, self.world.account(command.account), command.name)

    def change_app(self, command: commands.AppChange) -> None:
        """Change or register an app."""
        now = self.clock.now()
        app = self.world.ensure_app(command.app_id, now)
        app.name = command.name or app.name
        app.version_name = command.version_name or app.version_name
        app.callback = command.callback or app.callback
        if command.scopes is not None:
            later = now + self.world.rules.scope_propagation
            app.scopes = {scope: app.scopes.get(scope, later) for scope in command.scopes}

    def _find(self, which: commands.Which) -> Installation:
        if which.installation is not None:
            return self.world.installation(which.installation)
        return self.world.newest(which.account or "", which.app_id)

    def _done(self, installation: Installation, command: Any) -> results.Outcome:
        raised = self.flush(deliver=command is None or command.deliver)
        return views.outcome(self.world, installation, raised)
