"""What comes later in life: a trial that ends, an upgrade, users, a rotation; and a customer who waits for a person.

Belongs here: what is played, and what must be true afterwards. Does not belong here: how it is waited for or printed.
"""

import base64
from typing import Any, Final

from talkdesk_sandbox.demo import service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.scene import Scene

__all__ = ["NEWCOMER", "LaterLife"]

NEWCOMER: Final = "globex"
"""The account of the second customer."""
_SECRET: Final = "scim"  # noqa: S105 - the name of one
_MORE_USERS: Final = 3


class LaterLife(Scene):
    """Goes on with a customer who has the app installed on trial, and is alone."""

    def trial_ends(self, account: str) -> None:
        """Let the trial end without an upgrade: suspended, and all data kept."""
        self._screen.step(f"{account}'s trial ends")
        happening = self._stage.talkdesk.end_trial(account)
        self._becomes(happening, "Suspended")
        self._show()
        self._tell_tenant(suspended="true", pods="0")

    def upgrade(self, account: str) -> None:
        """Let the customer buy the app."""
        self._screen.step(f"{account} buys it")
        happening = self._stage.talkdesk.update(account, type="paid", plan="Gold", licenses=20)
        self._settle(happening, "Active")
        self._show()
        self._tell_tenant(suspended="false", pods="10")

    def users(self, account: str) -> None:
        """Connect a SCIM service, and let the customer license more users."""
        self._screen.step(f"The partner connects a SCIM service, and {account} licenses {_MORE_USERS} more users")
        self._does("create", "secret", "generic", _SECRET, f"--from-literal=token={service.TOKEN}")
        reference = {"name": _SECRET, "key": "token"}
        self._patch_app(
            users={"scim": {"url": self._stage.scim_url, "tokenSecretRef": reference, "allowInsecure": True}}
        )
        happening = self._stage.talkdesk.update(account, adding=_MORE_USERS)
        self._until(happening, "{.status.answer.eventId}", happening.event.id)
        licensed = self._stage.talkdesk.licensed_users(happening.installation_id)
        self._until(happening, "{.status.users.synced}", str(licensed))
        self._settle(happening, "Active")
        self._show("--output=wide")
        there = self._stage.users_at_scim()
        if there != licensed:
            raise DemoFailed(f"the SCIM service has {there} users, not {licensed}", "operator")
        self._screen.fact("users", f"{licensed} licensed at Talkdesk, {there} in the SCIM service")

    def rotate(self, account: str) -> None:
        """Let Talkdesk rotate the credentials."""
        self._screen.step(f"Talkdesk rotates {account}'s credentials")
        before = self._tenants_key()
        happening = self._stage.talkdesk.rotate(account)
        self._until(happening, "{.status.credentials.acknowledgedEventId}", happening.event.id)
        self._becomes(happening, "Active")
        self._show()
        now, known = self._tenants_key(), self._installation(happening)["status"]["credentials"]
        if now != known["keyId"] or now == before:
            raise DemoFailed("the tenant does not have the new credentials", "operator")
        self._screen.fact("acknowledged", known["acknowledgementTime"])
        self._screen.fact("the tenant has", f"key {now}, no longer {before}")

    def decide(self) -> None:
        """Let a person decide on the next customer."""
        self._screen.step(f"From now on a person decides; {NEWCOMER} installs the app")
        self._patch_app(approval={"mode": "Manual"})
        happening = self._stage.talkdesk.install(NEWCOMER, self._stage.app.app_id)
        self._becomes(happening, "AwaitingDecision")
        self._show()
        told = [each for each in self._installation(happening)["status"]["conditions"] if each["type"] == "Ready"]
        self._screen.fact("it says", told[0]["message"])
        event_id = self._installation(happening)["spec"]["request"]["eventId"]
        decision = f'{{"spec":{{"approval":{{"eventId":"{event_id}","decision":"Approve"}}}}}}'
        self._does("patch", self._name(happening), "--type=merge", f"--patch={decision}")
        self._settle(happening, "Active")
        self._show()
        self._patch_app(approval={"mode": "Auto"})

    def _tell_tenant(self, *, suspended: str, pods: str) -> None:
        """Tell what the template made of it."""
        home = self._home()
        config, quota = self._get("configmap/account", home), self._get("resourcequota/tenant", home)
        found = {"suspended": config["data"]["suspended"], "pods": quota["spec"]["hard"]["pods"]}
        if found != {"suspended": suspended, "pods": pods}:
            raise DemoFailed(f"the tenant has {found}", "operator")
        self._screen.fact("the tenant has", f"suspended: {suspended} in its ConfigMap, pods: {pods} in its quota")

    def _tenants_key(self) -> str:
        """Return the id of the key that the tenant calls Talkdesk with; the id is no secret."""
        data: dict[str, Any] = self._get("secret/talkdesk", self._home())["data"]
        return base64.b64decode(data["key_id"]).decode()

    def _home(self) -> str:
        return f"--namespace={self._tenant()['spec']['name']}"
