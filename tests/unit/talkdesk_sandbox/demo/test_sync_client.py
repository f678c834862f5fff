"""The simulator in plain calls: a command has succeeded when the webhook has accepted its event."""

from collections.abc import Iterator

import pytest

from talkdesk_sandbox.controlplane import Cluster
from talkdesk_sandbox.controlplane.processes import Processes
from talkdesk_sandbox.demo import programs
from talkdesk_sandbox.demo.errors import DemoFailed
from talkdesk_sandbox.demo.programs import Ports
from talkdesk_sandbox.demo.sync_client import SyncClient
from talkdesk_sandbox.demo.waiter import Waiter

APP = "f918e2623486417791f3b5a18ca746ce"


@pytest.fixture(scope="module")
def ports() -> Ports:
    return Ports.free()


@pytest.fixture(scope="module")
def simulator_client(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncClient]:
    folder = tmp_path_factory.mktemp("processes")
    processes = Processes(folder)
    processes.start("simulator", programs.simulator(ports, folder))
    cluster = Cluster(folder / "kubeconfig", folder / "kubectl", folder)
    try:
        Waiter(cluster, processes).ready("simulator", ports.simulator, "/_control/clock", within=30)
        with SyncClient(f"http://127.0.0.1:{ports.simulator}") as simulator_client:
            yield simulator_client
    finally:
        processes.stop(keep_logs=False)


def test_an_event_that_the_webhook_did_not_accept_is_the_webhooks_failure(
    simulator_client: SyncClient, ports: Ports
) -> None:
    simulator_client.send_events_to(APP, f"http://127.0.0.1:{ports.webhook}/events/sentiment/sentiment")
    with pytest.raises(DemoFailed, match=r"the webhook did not accept app\.installed: ") as failed:
        simulator_client.install("acme", APP)
    assert failed.value.program == "webhook"


def test_a_refusal_of_the_simulator_is_quoted(simulator_client: SyncClient) -> None:
    with pytest.raises(DemoFailed, match=r"the simulator: .*nobody") as failed:
        simulator_client.uninstall("nobody")
    assert failed.value.program == "simulator"
