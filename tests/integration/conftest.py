"""What all integration tests stand on: a cluster that knows our kinds."""

import pytest

from builders.crds import apply_crds
from talkdesk_sandbox.controlplane import Cluster


@pytest.fixture(scope="session")
def crds(control_plane: Cluster) -> Cluster:
    """The session's cluster, with our kinds."""
    apply_crds(control_plane)
    return control_plane
