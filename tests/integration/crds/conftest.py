"""A client of the API server in a namespace of its own."""

from collections.abc import AsyncIterator

import pytest

from builders.kinds import KindsApi
from talkdesk_runtime.kube import Kube
from talkdesk_sandbox.controlplane import Cluster


@pytest.fixture
async def api(crds: Cluster, namespace: str) -> AsyncIterator[KindsApi]:
    async with await Kube.connect(user_agent="test", kubeconfig=crds.kubeconfig) as kube:
        yield KindsApi(kube, namespace)
