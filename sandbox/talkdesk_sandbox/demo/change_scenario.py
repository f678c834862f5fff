"""What changes for a customer who has the app: end of the trial, upgrade, users, rotation; and a decision by hand.

Belongs here: what happens, and what must be true afterwards. Does not belong here: waiting and printing (`scenario`).
"""

import base64
import json
from typing import Any, Final

from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_sandbox.demo import scim_service
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.scenario import Scenario

__all__ = ["ChangeScenario"]

_SECRET: Final = "scim"  # noqa: S105 - the name of one
_MORE_USERS: Final = 3


class ChangeScenario(Scenario):
    """Changes for a customer who has the app on trial and is the only one; `decide_by_hand` is for another one."""

    def end_trial(self) -> None:
        """End the trial without an upgrade: the tenant is suspended, and all data are kept."""
        self._terminal.step(f"{self._account}'s trial ends")
        sent = self._environment.simulator.end_trial(self._account)
        self._wait_for_phase(sent, "Suspended")
        self._print_objects()
        self._print_tenant_settings(suspended="true", pods="0")

    def upgrade(self) -> None:
        """Upgrade from the trial to a paid plan."""
        self._terminal.step(f"{self._account} buys it")
        sent = self._environment.simulator.update(self._account, type="paid", plan="Gold", licenses=20)
        self._wait_until_approved(sent, "Active")
        self._print_objects()
        self._print_tenant_settings(suspended="false", pods="10")

    def add_users(self) -> None:
        """Connect a SCIM service, and license more users."""
        self._terminal.step(
            f"The partner connects a SCIM service, and {self._account} licenses {_MORE_USERS} more users"
        )
        self._run_kubectl("create", "secret", "generic", _SECRET, f"--from-literal=token={scim_service.TOKEN}")
        released = f"{ANNOTATION_FOR_HOSTS}={host_of(self._environment.scim_url)}"
        self._run_kubectl("annotate", "secret", _SECRET, released)
        reference = {"name": _SECRET, "key": "token"}
        self._patch_app(
            users={"scim": {"url": self._environment.scim_url, "tokenSecretRef": reference, "allowInsecure": True}}
        )
        sent = self._environment.simulator.update(self._account, adding=_MORE_USERS)
        self._wait_for_field(sent, "{.status.answer.eventId}", sent.event.id)
        self._wait_until_approved(sent, "Active")  # until then the new users have no license
        licensed = self._environment.simulator.licensed_users(sent.installation_id)
        self._wait_for_field(sent, "{.status.users.synced}", str(licensed))
        self._print_objects("--output=wide")
        there = self._environment.users_at_scim()
        if there != licensed:
            raise DemoFailed(f"the SCIM service has {there} users, not {licensed}", "operator")
        self._terminal.fact("users", f"{licensed} licensed at Talkdesk, {there} in the SCIM service")

    def rotate(self) -> None:
        """Rotate the credentials."""
        self._terminal.step(f"Talkdesk rotates {self._account}'s credentials")
        before = self._tenant_key()
        sent = self._environment.simulator.rotate(self._account)
        self._wait_for_field(sent, "{.status.credentials.acknowledgedEventId}", sent.event.id)
        self._wait_for_phase(sent, "Active")
        self._print_objects()
        now, known = self._tenant_key(), self._installation(sent)["status"]["credentials"]
        if now != known["keyId"] or now == before:
            raise DemoFailed("the tenant does not have the new credentials", "operator")
        self._terminal.fact("acknowledged", known["acknowledgementTime"])
        self._terminal.fact("the tenant has", f"key {now}, no longer {before}")

    def decide_by_hand(self) -> None:
        """Install the app for another customer, whose request a person must approve."""
        self._terminal.step(f"From now on a person decides; {self._account} installs the app")
        self._patch_app(approval={"mode": "Manual"})
        sent = self._environment.simulator.install(self._account, self._environment.app.app_id)
        self._wait_for_phase(sent, "AwaitingDecision")
        self._print_objects()
        ready = [each for each in self._installation(sent)["status"]["conditions"] if each["type"] == "Ready"]
        self._terminal.fact("it says", ready[0]["message"])
        event_id = self._installation(sent)["spec"]["request"]["eventId"]
        approval = {"eventId": event_id, "decision": "Approve", "decidedBy": self._me()}
        decision = json.dumps({"spec": {"approval": approval}}, separators=(",", ":"))
        self._run_kubectl("patch", self._name(sent), "--type=merge", f"--patch={decision}")
        self._wait_until_approved(sent, "Active")
        self._print_objects()
        self._patch_app(approval={"mode": "Auto"})

    def _print_tenant_settings(self, *, suspended: str, pods: str) -> None:
        """Print what the template made of it, after a check."""
        home = self._home()
        config, quota = self._get("configmap/account", home), self._get("resourcequota/tenant", home)
        values = {"suspended": config["data"]["suspended"], "pods": quota["spec"]["hard"]["pods"]}
        if values != {"suspended": suspended, "pods": pods}:
            raise DemoFailed(f"the tenant has {values}", "operator")
        self._terminal.fact("the tenant has", f"suspended: {suspended} in its ConfigMap, pods: {pods} in its quota")

    def _me(self) -> str:
        """Return the user name of whoever runs this, as the API server knows it."""
        command = ("auth", "whoami", "--output=jsonpath={.status.userInfo.username}")
        me = self._environment.cluster.kubectl(*command)
        self._terminal.output(("kubectl", *command), f"{me}\n")
        return me

    def _tenant_key(self) -> str:
        """Return the id of the key that the tenant calls Talkdesk with; the id is no secret."""
        data: dict[str, Any] = self._get("secret/talkdesk", self._home())["data"]
        return base64.b64decode(data["key_id"]).decode()

    def _home(self) -> str:
        return f"--namespace={self._tenant()['spec']['name']}"
