"""A stream of new customers while a cluster is disturbed, and what must be true of all of them afterwards."""

import asyncio
import http
import itertools
import json
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from builders.kind_app import WITHIN, KindApp, eventually
from talkdesk_crds.names import LABEL_APP, installation_name
from talkdesk_sandbox.kind.commands import kubectl_until_it_works
from talkdesk_sandbox.kind.manifests import SYSTEM
from talkdesk_sandbox.simulator import Client, ControlError
from talkdesk_sandbox.simulator.views.models import DeliveryView, EventRef, RecordView

__all__ = ["CustomerStream"]

_RETRIES: Final = ["1s", "1s", "2s", "4s", "8s", "15s", "30s", "30s"]
"""Talkdesk repeats after 5 and 10 minutes; a test can't wait so long."""


class CustomerStream:
    """A context manager: customers install the app one after the other for as long as the block lasts."""

    def __init__(self, app: KindApp, *, every: float = 0.3, name: str = "customer") -> None:
        """Take the app, the seconds between two installs, and how their names begin."""
        self._app = app
        self._every = every
        self._name = name
        self._url = app.proxy.service(app.app.name, "simulator", "http")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), name="customers")
        self._failure: BaseException | None = None
        self.events: list[EventRef] = []

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: len(self.events), lambda sent: sent >= 3 or not self._thread.is_alive())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    async def _send(self) -> None:
        try:
            async with Client(self._url) as simulator:
                await simulator.change_settings(retry_delays=_RETRIES)
                for number in itertools.count():
                    if self._stop.is_set():
                        return
                    # The simulator is asked by way of the API server, which may be the one that is disturbed.
                    with suppress(ControlError):
                        name = f"{self._name}-{number}"
                        outcome = await simulator.install(account=name, app_id=self._app.app.app_id)
                        self.events += outcome.events
                    await asyncio.sleep(self._every)
        except BaseException as error:
            self._failure = error
            raise

    def check(self) -> list[DeliveryView]:
        """Check the four invariants for these customers; return the deliveries that needed more than one attempt."""
        deliveries = eventually(self._deliveries, lambda found: all(each.state == "delivered" for each in found))
        names = {
            each.installation_id: installation_name(self._app.app.name, each.installation_id) for each in self.events
        }
        eventually(
            self._phases, lambda phases: {phases.get(name) for name in names.values()} == {"Active"}, within=2 * WITHIN
        )
        accepted = [each.installation_id for each in self._approvals() if each.installation_id in names]
        assert Counter(accepted) == dict.fromkeys(names, 1), "each installation is approved once"
        self._no_object_is_missing(set(names.values()))
        self._no_secret_is_logged()
        return [each for each in deliveries if len(each.attempts) > 1]

    def _phases(self) -> dict[str, str]:
        installations = self._app.get("tdi")["items"]
        return {each["metadata"]["name"]: each.get("status", {}).get("phase", "") for each in installations}

    def _no_object_is_missing(self, installations: set[str]) -> None:
        tenants = {
            each["spec"]["installationRef"]["name"]: each["spec"]["name"] for each in self._app.get("tdt")["items"]
        }
        assert tenants.keys() >= installations
        ours = f"--selector={LABEL_APP}={self._app.app.name}"
        namespaces = self._app.cluster.kubectl("get", "namespaces", ours, "--output=name").split()
        assert {f"namespace/{tenants[name]}" for name in installations} <= set(namespaces)

    def _no_secret_is_logged(self) -> None:
        canaries = set()
        for event in self.events[:3]:
            data = json.loads(self._call(lambda client, event=event: client.sign(event.id)).body)
            canaries |= {text[60:100] for text in _texts(data) if len(text) > 100}
        assert canaries, "the event of an install has a private key"
        for name in ("operator", "webhook"):
            logs = kubectl_until_it_works(  # a pod of a rolling update that has just gone is an error
                self._app.cluster,
                *(f"--namespace={SYSTEM}", "logs", f"--selector=app.kubernetes.io/name=talkdesk-{name}", "--tail=-1"),
                "--max-log-requests=20",
                within=WITHIN,
            )
            assert not [canary for canary in canaries if canary in logs], f"a secret is in a log of the {name}"

    def _deliveries(self) -> list[DeliveryView]:
        ours = {event.id for event in self.events}
        return [each for each in self._call(lambda client: client.deliveries()) if each.event_id in ours]

    def _approvals(self) -> list[RecordView]:
        """Return the approvals that Talkdesk has taken."""
        sent: list[RecordView] = self._call(lambda client: client.requests(effect="approve"))
        return [each for each in sent if each.status is not None and each.status < http.HTTPStatus.MULTIPLE_CHOICES]

    def _call(self, ask: Any) -> Any:
        async def call() -> Any:
            async with Client(self._url) as client:
                return await ask(client)

        return asyncio.run(call())


def _texts(value: Any) -> list[str]:
    match value:
        case dict():
            return [text for each in value.values() for text in _texts(each)]
        case list():
            return [text for each in value for text in _texts(each)]
        case str():
            return [value]
        case _:
            return []
