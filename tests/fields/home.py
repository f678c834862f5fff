"""Where it all is: operator and webhook as processes, and a namespace with an app's rights for each place."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from builders.cleared_namespace import delete_namespace
from builders.platform import Platform, platform
from builders.stack_manifests import app_rights
from talkdesk_sandbox.controlplane import Cluster

__all__ = ["Home", "home"]

_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@dataclass(frozen=True)
class Home:
    """Made by `home`."""

    platform: Platform
    places: tuple[str, ...]
    """Names of namespaces."""
    user: str
    """Our own name at the API server, in which decisions are made."""


@asynccontextmanager
async def home(cluster: Cluster, number: int) -> AsyncIterator[Home]:
    """Start both programs, which work in so many namespaces of apps beside their own."""
    name = f"fields-{uuid.uuid4().hex[:8]}"
    places = tuple(f"{name}-{letter}" for letter in "abcdefgh"[:number])
    for each in (name, *places):
        await asyncio.to_thread(cluster.kubectl, "create", "namespace", each)
    rights = [document for each in places for document in app_rights(each, name)]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": rights})
    await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", "-f", "-", stdin=objects)
    # A machine that is too busy for the Lease to be renewed is no fault of a field's.
    networks = "127.0.0.0/8"
    open_platform = partial(platform, TALKDESK_TIMEOUT="2s", LEADER_ELECTION="false", ALLOWED_HOOK_NETWORKS=networks)
    async with open_platform(cluster, name, also=places) as made:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        review = await made.kube.request("POST", path, body=_REVIEW)
        yield Home(made, places, review["status"]["userInfo"]["username"])
        for gate in made.gates.values():
            gate.calls.clear()  # odd values ask for what no role of the manifests gives
    for each in (name, *places):
        await asyncio.to_thread(delete_namespace, cluster, each)
