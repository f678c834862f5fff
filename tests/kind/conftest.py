"""What all tests in a real cluster stand on: one cluster for the session, and for each test an app and a Talkdesk.

`make kind-test` runs them; `make test` does not. KEEP=1 leaves the cluster; one that `make kind-up` has left is used as
it is. When a test fails, the state of the cluster is written to build/diary/<test>.
"""

import os
import re
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import pytest

from builders.cluster_diary import write_diary
from builders.kind_app import KindApp
from talkdesk_sandbox.demo.sync_client import SyncClient
from talkdesk_sandbox.kind import EngineUnavailable, KindCluster, deployment
from talkdesk_sandbox.kind.api_proxy import ApiProxy
from talkdesk_sandbox.kind.checkout import ROOT
from talkdesk_sandbox.kind.manifests import App, Images

DIARY = ROOT / "build" / "diary"


@pytest.fixture(scope="session")
def empty_cluster(request: pytest.FixtureRequest) -> Iterator[KindCluster]:
    """A cluster, perhaps one that has been used before."""
    with ExitStack() as stack:
        try:
            with _visible(request.config):
                kind = stack.enter_context(KindCluster.of_checkout(stays=bool(os.environ.get("KEEP"))))
        except EngineUnavailable as error:
            pytest.fail(str(error), pytrace=False)
        yield kind
        with _visible(request.config):
            stack.close()


@pytest.fixture(scope="session")
def images(empty_cluster: KindCluster, request: pytest.FixtureRequest) -> Images:  # noqa: ARG001 - with its engine
    """The images of this checkout."""
    with _visible(request.config):
        return deployment.build_images()


@pytest.fixture(scope="session")
def kind(empty_cluster: KindCluster, images: Images, request: pytest.FixtureRequest) -> KindCluster:
    """A cluster with our kinds, operator and webhook, of which nobody has changed anything by hand."""
    with _visible(request.config):
        deployment.install(empty_cluster, images)
    return empty_cluster


@pytest.fixture(scope="session")
def proxy(kind: KindCluster) -> Iterator[ApiProxy]:
    """HTTP from here to any Service in the cluster."""
    with ApiProxy(kind.cluster) as proxy:
        yield proxy


@pytest.fixture
def new_app(kind: KindCluster, proxy: ApiProxy, images: Images) -> Iterator[Callable[[], KindApp]]:
    """Makes apps, each in a namespace of its own with a Talkdesk of its own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(_app(kind, proxy, images))


@pytest.fixture
def app(new_app: Callable[[], KindApp]) -> KindApp:
    """An app in a namespace of its own with a Talkdesk of its own. Its customers have a pod, a volume and a Service."""
    return new_app()


@pytest.fixture
def light_app(kind: KindCluster, proxy: ApiProxy, images: Images) -> Iterator[KindApp]:
    """An app whose customers have no pods, so that there can be many of them."""
    with _app(kind, proxy, images, workload=False) as app:
        yield app


@contextmanager
def _app(kind: KindCluster, proxy: ApiProxy, images: Images, *, workload: bool = True) -> Iterator[KindApp]:
    app = App(f"app-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex)
    deployment.add_app(kind.cluster, app, images, workload=workload)
    with SyncClient(proxy.service(app.name, "simulator", "http")) as simulator:
        simulator.send_events_to(app.app_id, app.callback)
        yield KindApp(kind, proxy, app, simulator)
        # Nobody waits for it: the name is used once. Tenants' namespaces, whose pods take room, go with it.
        deployment.remove_app(kind.cluster, app)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    used: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "empty_cluster" in used:
        folder = DIARY / re.sub(r"[^\w.-]+", "_", item.name)
        write_diary(used["empty_cluster"].cluster, folder)
        report.sections.append(("diary", f"events, logs and objects: {folder.relative_to(ROOT)}"))
    return report


def _visible(config: pytest.Config) -> AbstractContextManager[None]:
    """Let progress reach the terminal although pytest captures: making a cluster takes a while."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return nullcontext() if capture is None else capture.global_and_fixture_disabled()
