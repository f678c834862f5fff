"""A customer installs the app, uninstalls it and installs it again; somebody else sends a forged event.

Belongs here: what happens, and what must be true afterwards. Does not belong here: waiting and printing (`scenario`).
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.scenario import Scenario
from talkdesk_sandbox.demo.sync_client import SentEvent

__all__ = ["InstallScenario"]

_ANSWERED_WITHIN: Final = 10.0  # seconds


class InstallScenario(Scenario):
    """Install, forgery, uninstall, reinstall."""

    def install(self) -> SentEvent:
        """Install the app on trial; return the event."""
        self._terminal.step(f"{self._account} installs the app on trial")
        sent = self._environment.simulator.install(self._account, self._environment.app.app_id, on_trial=True)
        self._wait_until_approved(sent, "Active")
        self._print_objects()
        objects = [f"{item['kind']} {item['name']}" for item in self._tenant()["status"]["inventory"]]
        self._terminal.fact("the tenant has", ", ".join(objects))
        return sent

    def tenant_namespace(self) -> dict[str, str]:
        """Return the name and uid of the tenant's namespace."""
        (name,) = [item["name"] for item in self._tenant()["status"]["inventory"] if item["kind"] == "Namespace"]
        metadata = self._get(f"namespace/{name}")["metadata"]
        return {"name": metadata["name"], "uid": metadata["uid"]}

    def forge(self, installed: SentEvent) -> None:
        """Send an uninstall that is not from Talkdesk, with the signature of an event that is."""
        self._terminal.step("Somebody forges an uninstall")
        signed = self._environment.simulator.sign(installed.event)
        before = self._installation(installed)["metadata"]["resourceVersion"]
        status, answer = self._post(signed.headers, signed.body.replace('"app.installed"', '"app.uninstalled"'))
        if status != http.HTTPStatus.UNAUTHORIZED:
            raise DemoFailed(f"the webhook answered a forged event with {status} {answer}, not with 401", "webhook")
        if self._installation(installed)["metadata"]["resourceVersion"] != before:
            raise DemoFailed("a forged event changed the TalkdeskInstallation", "webhook")
        self._terminal.fact("refused", f"{status} {answer}")

    def uninstall(self, namespace: dict[str, str]) -> None:
        """Uninstall the app: approved, and the tenant is retained."""
        self._terminal.step(f"{self._account} uninstalls it")
        sent = self._environment.simulator.uninstall(self._account)
        self._wait_until_approved(sent, "Uninstalled")
        self._print_objects()
        self._expect_same(namespace)
        tenant = self._tenant()
        kept = [f"{item['kind']} {item['name']}" for item in tenant["status"]["inventory"]]
        self._terminal.fact("kept", ", ".join(kept))
        self._terminal.fact("until", tenant["status"]["purgeTime"])
        places = (*self._namespace, f"--namespace={namespace['name']}")
        secrets = [secret for place in places for secret in self._get("secrets", place)["items"]]
        if left := [secret["metadata"]["name"] for secret in secrets]:
            raise DemoFailed(f"after the uninstall there are still Secrets: {', '.join(left)}", "operator")
        self._terminal.fact("deleted", "every Secret with credentials, here and in the tenant")

    def reinstall(self, namespace: dict[str, str]) -> None:
        """Install the app again: the tenant is the same as before."""
        self._terminal.step(f"{self._account} installs it again")
        sent = self._environment.simulator.reinstall(self._account)
        self._wait_until_approved(sent, "Active")
        self._print_objects()
        self._expect_same(namespace)
        self._terminal.fact("the same", f"namespace {namespace['name']}, uid {namespace['uid']}, as before")

    def _expect_same(self, namespace: dict[str, str]) -> None:
        now = self._get(f"namespace/{namespace['name']}")
        if now["metadata"]["uid"] != namespace["uid"] or now["status"]["phase"] != "Active":
            raise DemoFailed(f"namespace {namespace['name']} is not the same as before", "operator")

    def _post(self, headers: dict[str, str], body: str) -> tuple[int, str]:
        where = urlsplit(self._environment.callback)
        connection = http.client.HTTPConnection(where.netloc, timeout=_ANSWERED_WITHIN)
        try:
            connection.request("POST", where.path, body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"the webhook does not answer: {error}", "webhook") from None
        finally:
            connection.close()
