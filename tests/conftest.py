"""The cluster that tests share: `control_plane` per session, and only when a test asks for it; `namespace` per test."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from builders.cleared_namespace import delete_namespace
from builders.say import Say
from talkdesk_sandbox.controlplane import (
    OAUTH2_PROXY,
    Cluster,
    ControlPlane,
    Programs,
    ProgramsUnavailable,
    find_helm,
    find_programs,
    find_tool,
)

# A busy machine is no fault of the code's; and what passed once must pass again where nobody looks at it.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.register_profile("fast", settings.get_profile("patient"), max_examples=20)
"""For `make test-unit`: a fifth of the examples. `make test` and CI take all of them."""
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--use-existing-cluster",
        action="store_true",
        help="use the cluster that KUBECONFIG names, as its administrator, instead of a control plane of our own",
    )
    parser.addoption(
        "--kind", action="store_true", help="run the tests in a kind cluster too, as `make kind-test` does"
    )
    parser.addoption(
        "--customers", type=int, default=40, help="how many customers a change of the template reaches in test_rollouts"
    )
    parser.addoption("--update-golden", action="store_true", help="write tests/scenarios/*.golden anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Only a run needs the cluster: `--collect-only` shows them all.
    if not (config.getoption("--kind") or config.option.collectonly):
        kind = [item for item in items if item.get_closest_marker("kind")]
        config.hook.pytest_deselected(items=kind)
        items[:] = [item for item in items if not item.get_closest_marker("kind")]


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes API that this session has for itself, or the existing one when that was asked for."""
    if request.config.getoption("--use-existing-cluster"):
        yield _existing_cluster(tmp_path_factory.mktemp("cluster"))
        return
    plane = ControlPlane(_programs(request.config))
    with ExitStack() as stack:
        cluster = stack.enter_context(plane)
        yield cluster
        plane.keep_logs = request.session.testsfailed > 0
        with _visible(request.config):
            stack.close()


@pytest.fixture(scope="session")
def kubectl_program(pytestconfig: pytest.Config) -> Path:
    """Kubectl alone, for what needs no cluster."""
    return _programs(pytestconfig).kubectl


@pytest.fixture(scope="session")
def helm_program(pytestconfig: pytest.Config) -> Path:
    """Helm, found or compiled as the control plane is."""
    try:
        with _visible(pytestconfig):
            return find_helm()
    except ProgramsUnavailable as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture(scope="session")
def oauth2_proxy_program(pytestconfig: pytest.Config) -> Path:
    """oauth2-proxy, found or compiled as the control plane is."""
    try:
        with _visible(pytestconfig):
            return find_tool(OAUTH2_PROXY)
    except ProgramsUnavailable as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A new namespace that no other test uses. It is deleted afterwards, which no test waits for."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    delete_namespace(control_plane, name)


def _programs(config: pytest.Config) -> Programs:
    try:
        with _visible(config):
            return find_programs()
    except ProgramsUnavailable as error:
        missing = str(error)
    pytest.fail(missing, pytrace=False)


def _existing_cluster(scratch: Path) -> Cluster:
    kubeconfig = Path(os.environ.get("KUBECONFIG", ""))
    if not kubeconfig.is_file():
        pytest.fail("--use-existing-cluster needs KUBECONFIG to name a file", pytrace=False)
    kubectl = shutil.which("kubectl")
    return Cluster(kubeconfig, Path(kubectl) if kubectl else find_programs().kubectl, scratch)


def _visible(config: pytest.Config) -> AbstractContextManager[None]:
    """Let what is said reach the terminal although pytest captures: a first build takes minutes."""
    capture = config.pluginmanager.getplugin("capturemanager")
    return nullcontext() if capture is None else capture.global_and_fixture_disabled()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Print a figure of the test, on which no bound is set, also where pytest captures."""

    def write(text: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stdout.write(f"\n{request.node.name}: {text}\n")

    return write
