"""The life of one customer: an install, a forged event, an uninstall, a reinstall; and what comes later (`later_life`).

Belongs here: what is played, and what must be true afterwards. Does not belong here: how it is waited for or printed.
"""

import http.client
from typing import Final
from urllib.parse import urlsplit

from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.later_life import LaterLife
from talkdesk_sandbox.demo.scene import Scene
from talkdesk_sandbox.demo.screen import Screen
from talkdesk_sandbox.demo.stage import Stage
from talkdesk_sandbox.demo.talkdesk import Happening

__all__ = ["ACCOUNT", "play"]

ACCOUNT: Final = "acme"
"""The customer's account at Talkdesk."""

_ANSWERED_WITHIN: Final = 10.0  # seconds


def play(stage: Stage, screen: Screen) -> None:
    """Play it all. Raises DemoFailed as soon as something is not as promised."""
    life = _Life(stage, screen)
    installed = life.install()
    namespace = life.tenant_namespace()
    life.forge(installed)
    life.uninstall(namespace)
    life.reinstall(namespace)
    later = LaterLife(stage, screen)
    later.trial_ends(ACCOUNT)
    later.upgrade(ACCOUNT)
    later.users(ACCOUNT)
    later.rotate(ACCOUNT)
    later.decide()


class _Life(Scene):
    """The first part: a customer comes, goes and comes back."""

    def install(self) -> Happening:
        """Let a customer install the app."""
        self._screen.step(f"{ACCOUNT} installs the app on trial")
        happening = self._stage.talkdesk.install(ACCOUNT, self._stage.app.app_id, on_trial=True)
        self._settle(happening, "Active")
        self._show()
        objects = [f"{item['kind']} {item['name']}" for item in self._tenant()["status"]["inventory"]]
        self._screen.fact("the tenant has", ", ".join(objects))
        return happening

    def tenant_namespace(self) -> dict[str, str]:
        """Return name and uid of the namespace that the tenant has."""
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
        self._screen.fact("until", tenant["status"]["purgeTime"])
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

    def _expect_same(self, namespace: dict[str, str]) -> None:
        now = self._get(f"namespace/{namespace['name']}")
        if now["metadata"]["uid"] != namespace["uid"] or now["status"]["phase"] != "Active":
            raise DemoFailed(f"namespace {namespace['name']} is not the one that it was", "operator")

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
