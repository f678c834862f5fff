"""A kind of ours that goes from a real API server under the running process, and comes back."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from builders.crds import CRDS, apply_crds
from builders.raw_objects import installation, tenant
from builders.shell_process import shell_process
from talkdesk_crds.names import GROUP
from talkdesk_sandbox.controlplane import Cluster, ControlPlane

NAMESPACE = "team"
BACK_WITHIN = 90.0
"""Seconds; a second on an idle machine. A listing and a watch may each be refused once more, 30 s apart."""


@pytest.fixture(scope="module")
def alone() -> Iterator[Cluster]:
    """A cluster of this module's own: what is deleted here, other tests need."""
    with ControlPlane() as cluster:
        apply_crds(cluster)
        cluster.kubectl("create", "namespace", NAMESPACE)
        yield cluster


async def kubectl(cluster: Cluster, *arguments: str, stdin: str = "") -> str:
    return await asyncio.to_thread(cluster.kubectl, "-n", NAMESPACE, *arguments, stdin=stdin)


async def create(cluster: Cluster, *objects: dict[str, Any]) -> None:
    for raw in objects:
        named = {**raw, "metadata": {"name": raw["metadata"]["name"]}}
        await kubectl(cluster, "create", "-f", "-", stdin=json.dumps(named))


@pytest.mark.case(82)
async def test_a_kind_that_goes_is_no_end_and_is_watched_again_when_it_is_back(alone: Cluster) -> None:
    await create(alone, installation("sentiment-i1", account="a1"), tenant("sentiment-a1", account="a1"))
    async with shell_process(alone.kubeconfig, NAMESPACE) as it:
        await it.until(lambda: it.reconciles("a1"))
        await kubectl(alone, "delete", "crd", f"talkdesktenants.{GROUP}")
        await create(alone, installation("sentiment-i2", account="a2"))
        await it.until(lambda: it.reconciles("a2"))
        assert (await it.probe("/healthz")).status_code == 200
        await asyncio.to_thread(apply_crds, alone)
        await create(alone, tenant("sentiment-late", account="late"))
        await it.until(lambda: it.reconciles("late"), within=BACK_WITHIN)
        assert await it.end() == 0
        assert not it.all("process.part_failed")


@pytest.mark.case(82)
async def test_while_every_kind_is_gone_a_signal_still_ends_the_process(alone: Cluster) -> None:
    async with shell_process(alone.kubeconfig, NAMESPACE) as it:
        await it.prints("leader.acquired")
        await it.until(lambda: it.all("reconcile"))
        await kubectl(alone, "delete", "-f", str(CRDS))
        await it.prints("watch.fails")
        assert (await it.probe("/healthz")).status_code == 200
        assert await it.end() == 0
