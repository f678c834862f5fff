"""The life of one customer: a forged event, an install, an uninstall, a reinstall.

Belongs here: what is played, and what must be true afterwards. Does not belong here: how it is waited for or printed.
"""

import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from talkdesk_crds.names import installation_name
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.screen import Screen
from talkdesk_sandbox.demo.stage import Stage
from talkdesk_sandbox.demo.talkdesk import Happening

__all__ = ["ACCOUNT", "play"]

ACCOUNT: Final = "acme"
"""The customer's account at Talkdesk."""

_WITHIN: Final = 60.0  # seconds; one or two on an idle machine
_ANSWERED_WITHIN: Final = 10.0  # seconds


def play(stage: Stage, screen: Screen) -> None:
    """Play it all. Raises DemoFailed as soon as something is not as promised."""
    life = _Life(stage, screen)
    installed = life.install()
    namespace = life.tenant_namespace()
    life.forge(installed)
    life.uninstall(namespace)
    life.reinstall(namespace)


class _Life:
    """What has happened so far is in the cluster; here are only the means."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen

    def install(self) -> Happening:
        """Let a customer install the app."""
        self._screen.step(f"{ACCOUNT} installs the app")
        happening = self._stage.talkdesk.install(ACCOUNT, self._stage.app.app_id)
        self._settle(happening, "Active")
        self._show()
        objects = [f"{item['kind']} {item['name']}" for item in self._tenant()["status"]["inventory"]]
        self._screen.fact("the tenant has", ", ".join(objects))
        return happening

    def tenant_namespace(self) -> dict[str, str]:
        """Give name and uid of the namespace that the tenant has."""
        (name,) = [item["name"] for item in self._tenant()["status"]["inventory"] if item["kind"] == "Namespace"]
        metadata = self._get(f"namespace/{name}")["metadata"]
        return {"name": metadata["name"], "uid": metadata["uid"]}

    def forge(self, installed: Happening) -> None:
        """Send an uninstall that Talkdesk did not make, under the signature of an event that it did."""
        self._screen.step("Somebody forges an uninstall")
        signed = self._stage.talkdesk.sign(installed.event)
        before = self._installation(installed)["metadata"]["resourceVersion"]
        status, answer = self._post(signed.headers, signed.body.replace('"app.installed"', '"app.uninstalled"'))
        if status != http.HTTPStatus.UNAUTHORIZED:
            raise DemoFailed(f"the webhook answered a forged event with {status} {answer}, not with 401", "webhook")
        if self._installation(installed)["metadata"]["resourceVersion"] != before:
            raise DemoFailed("a forged event changed the TalkdeskInstallation", "webhook")
        self._screen.fact("refused", f"{status} {answer}")

    def uninstall(self, namespace: dict[str, str]) -> None:
        """Let the customer uninstall: answered, and retained."""
        self._screen.step(f"{ACCOUNT} uninstalls it")
        happening = self._stage.talkdesk.uninstall(ACCOUNT)
        self._settle(happening, "Uninstalled")
        self._show()
        self._expect_same(namespace)
        tenant = self._tenant()
        kept = [f"{item['kind']} {item['name']}" for item in tenant["status"]["inventory"]]
        self._screen.fact("kept", ", ".join(kept))
        self._screen.fact("until", tenant["status"]["purgeAfter"])
        secrets = self._get("secrets", "--all-namespaces")["items"]
        if left := [secret["metadata"]["name"] for secret in secrets]:
            raise DemoFailed(f"after the uninstall there are still Secrets: {', '.join(left)}", "operator")
        self._screen.fact("deleted", "every Secret with credentials, here and in the tenant")

    def reinstall(self, namespace: dict[str, str]) -> None:
        """Let the customer come back and find the tenant as it was."""
        self._screen.step(f"{ACCOUNT} installs it again")
        happening = self._stage.talkdesk.reinstall(ACCOUNT)
        self._settle(happening, "Active")
        self._show()
        self._expect_same(namespace)
        self._screen.fact("the same", f"namespace {namespace['name']}, uid {namespace['uid']}, as before")

    def _settle(self, happening: Happening, phase: str) -> None:
        """Wait until the operator and Talkdesk agree on what has become of an event."""
        name = installation_name(self._stage.app.name, happening.installation_id)
        for condition in (f"jsonpath={{.status.phase}}={phase}", "condition=Reconciling=False"):
            self._stage.waiting.until(
                f"TalkdeskInstallation {name} did not become {phase} and settled",
                (f"--for={condition}", f"talkdeskinstallation/{name}", *self._namespace),
                of="operator",
                within=_WITHIN,
            )
        seconds = self._stage.talkdesk.seconds_to_approval(happening)
        state = self._stage.talkdesk.state_of(happening.installation_id)
        self._screen.fact("approved", f"{seconds:.2f} s after {happening.event.type}; Talkdesk says: {state}")

    def _expect_same(self, namespace: dict[str, str]) -> None:
        now = self._get(f"namespace/{namespace['name']}")
        if now["metadata"]["uid"] != namespace["uid"] or now["status"]["phase"] != "Active":
            raise DemoFailed(f"namespace {namespace['name']} is not the one that it was", "operator")

    @property
    def _namespace(self) -> tuple[str]:
        return (f"--namespace={self._stage.app.namespace}",)

    def _show(self) -> None:
        command = ("get", "talkdeskinstallations,talkdesktenants", *self._namespace)
        self._screen.output(("kubectl", *command), self._stage.cluster.kubectl(*command))

    def _installation(self, happening: Happening) -> dict[str, Any]:
        name = installation_name(self._stage.app.name, happening.installation_id)
        return self._get(f"talkdeskinstallation/{name}", *self._namespace)

    def _tenant(self) -> dict[str, Any]:
        tenants: list[dict[str, Any]] = self._get("talkdesktenants", *self._namespace)["items"]
        (tenant,) = tenants
        return tenant

    def _get(self, *arguments: str) -> dict[str, Any]:
        got: dict[str, Any] = json.loads(self._stage.cluster.kubectl("get", "--output=json", *arguments))
        return got

    def _post(self, headers: dict[str, str], body: str) -> tuple[int, str]:
        where = urlsplit(self._stage.callback)
        connection = http.client.HTTPConnection(where.netloc, timeout=_ANSWERED_WITHIN)
        try:
            connection.request("POST", where.path, body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"the webhook does not answer: {error}", "webhook") from None
        finally:
            connection.close()
