"""The simulator in plain calls: an event counts as happened when the webhook took it."""

from collections.abc import Iterator

import pytest

from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo import programs
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.programs import Ports
from talkdesk_sandbox.demo.talkdesk import Talkdesk
from talkdesk_sandbox.demo.waiting import PendingItem

APP = "f918e2623486417791f3b5a18ca746ce"


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports.free()


@pytest.fixture(scope="module")
def talkdesk(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talkdesk]:
    folder = tmp_path_factory.mktemp("processes")
    processes = Processes(folder)
    processes.start("simulator", programs.simulator(ports, folder))
    cluster = Cluster(folder / "kubeconfig", folder / "kubectl", folder)
    try:
        PendingItem(cluster, processes).ready("simulator", ports.simulator, "/_control/clock", within=30)
        with Talkdesk(f"http://127.0.0.1:{ports.simulator}") as talkdesk:
            yield talkdesk
    finally:
        processes.stop(keep_logs=False)


def test_an_event_that_the_webhook_did_not_take_is_the_webhooks_failure(talkdesk: Talkdesk, ports: Ports) -> None:
    talkdesk.send_events_to(APP, f"http://127.0.0.1:{ports.webhook}/events/sentiment/sentiment")
    with pytest.raises(DemoFailed, match=r"the webhook did not take app\.installed: ") as failed:
        talkdesk.install("acme", APP)
    assert failed.value.program == "webhook"


def test_what_the_simulator_refuses_is_said_in_its_own_words(talkdesk: Talkdesk) -> None:
    with pytest.raises(DemoFailed, match=r"the simulator: .*nobody") as failed:
        talkdesk.uninstall("nobody")
    assert failed.value.program == "simulator"
