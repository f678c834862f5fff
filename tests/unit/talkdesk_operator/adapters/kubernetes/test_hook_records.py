"""A record of services counts as absent only where the API server says so of its Secret."""

from typing import Any

import pytest

from builders.scripted_kube import ScriptedKube
from talkdesk_crds.names import HOOKS_TYPE
from talkdesk_operator.adapters.kubernetes.hook_records import SecretHookRecordStore
from talkdesk_runtime.kube_errors import KubeNoPath, KubeNotFound

SECRET: dict[str, Any] = {"type": HOOKS_TYPE, "metadata": {"name": "acme-hooks", "uid": "u-1"}}


def records(kube: ScriptedKube) -> SecretHookRecordStore:
    return SecretHookRecordStore(kube, wrote=lambda _kind, _verb: None)  # type: ignore[arg-type]


async def test_a_secret_that_is_not_there_is_no_record() -> None:
    assert await records(ScriptedKube(KubeNotFound("no acme-hooks"))).load("team", "acme") is None


async def test_a_404_that_names_no_secret_does_not_say_that_there_is_no_record() -> None:
    with pytest.raises(KubeNoPath):
        await records(ScriptedKube(KubeNoPath("no such path"))).load("team", "acme")


async def test_a_record_that_somebody_else_deleted_is_dropped() -> None:
    kube = ScriptedKube(SECRET, KubeNotFound("no acme-hooks"))
    await records(kube).drop("team", "acme")
    assert kube.requests == ["GET secrets/acme-hooks", "DELETE secrets/acme-hooks"]


@pytest.mark.parametrize("read", [(), (SECRET,)], ids=["reading", "deleting"])
async def test_a_404_that_names_no_secret_does_not_say_that_a_record_was_deleted(
    read: tuple[dict[str, Any], ...],
) -> None:
    with pytest.raises(KubeNoPath):
        await records(ScriptedKube(*read, KubeNoPath("no such path"))).drop("team", "acme")
