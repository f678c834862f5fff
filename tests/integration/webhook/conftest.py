"""A webhook with its own namespace, its exact rights, an app, and a gateway that has its signing key."""

from collections.abc import AsyncIterator

import pytest

from builders.events import Signer
from builders.place import Place
from builders.webhook_process import WebhookProcess, apply_app, gateway, grant, webhook_process
from talkdesk_sandbox.controlplane import Cluster


@pytest.fixture
async def place(crds: Cluster, namespace: str) -> AsyncIterator[Place]:
    signer = Signer()
    kubeconfig = grant(crds, namespace)
    async with gateway(signer) as it:
        apply_app(crds, namespace, it)
        yield Place(crds, namespace, kubeconfig, it, signer)


@pytest.fixture
async def webhook(place: Place) -> AsyncIterator[WebhookProcess]:
    async with webhook_process(place.kubeconfig, place.namespace) as running:
        yield running
