"""Webhook and operator for lives: in a namespace of their own, with proxies that know lives, and with much patience."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from builders.cleared_namespace import delete_namespace
from builders.platform import platform
from talkdesk_sandbox.controlplane import Cluster
from torture.batch import Session
from torture.kube_proxy import kube_proxy
from torture.track import Track

__all__ = ["session"]

_PATIENCE: Final = "600s"
"""A request that is held must not end by itself."""
_WEBHOOK: Final = {"LOG_LEVEL": "INFO", "KUBERNETES_TIMEOUT": _PATIENCE, "REQUEST_TIMEOUT": _PATIENCE}


@asynccontextmanager
async def session(cluster: Cluster, patience: float) -> AsyncGenerator[Session, None]:
    """Start both programs; the namespace is deleted at the end."""
    name, tracks = f"torture-{uuid.uuid4().hex[:8]}", dict[str, Track]()
    await asyncio.to_thread(cluster.kubectl, "create", "namespace", name)
    opening = platform(
        cluster,
        name,
        open_gate=lambda actor, server, trust: kube_proxy(server, trust, actor, tracks),
        webhook_settings=_WEBHOOK,
        LOG_LEVEL="INFO",
        # One operator at a time, also on a machine so busy that a Lease would be lost.
        LEADER_ELECTION="false",
        WORKERS="200",
        KUBERNETES_CONNECTIONS="400",
        KUBERNETES_TIMEOUT=_PATIENCE,
        TALKDESK_TIMEOUT=_PATIENCE,
        ALLOWED_HOOK_NETWORKS="127.0.0.0/8",
    )
    try:
        async with opening as made:
            yield Session(made, tracks, patience)
    finally:
        await asyncio.to_thread(delete_namespace, cluster, name)
