"""What all integration tests stand on: a cluster that knows our kinds."""

import sys

import pytest

from builders.crds import apply_crds
from builders.say import Say
from talkdesk_sandbox.controlplane import Cluster


@pytest.fixture(scope="session")
def crds(control_plane: Cluster) -> Cluster:
    """The session's cluster, with our kinds."""
    apply_crds(control_plane)
    return control_plane


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Print a figure, also where pytest captures."""

    def write(text: str) -> None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            sys.stdout.write(f"\n{request.node.name}: {text}\n")

    return write
