"""The label of an account's slot is put on exactly the version of an object that was seen."""

from typing import Any

import pytest

from builders.api_server import ApiServer
from builders.objects import INSTALLATION, NOON, installation_object
from talkdesk_crds.names import LABEL_SHARD_SLOT
from talkdesk_crds.shard_slots import slot_label
from talkdesk_operator.adapters.kubernetes.cluster import KubernetesCluster
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Mislabeled
from talkdesk_runtime.kube_errors import KubeConflict

KEY = AccountKey("team", "sentiment", "acc-1")


class World:
    """The adapter, and an installation of which nothing can be read but its account."""

    def __init__(self) -> None:
        labels = {"team": "blue", LABEL_SHARD_SLOT: "x"}
        raw = installation_object(meta={"labels": labels}, request={"type": "Unheard"})
        self.server, self.seen, self.writes = ApiServer(), list[dict[str, Any]](), list[tuple[str, str]]()
        self.server.put_unchecked(raw)
        kube = self.server.kube
        self.cluster = KubernetesCluster(
            kube,
            Resources(kube),
            instance="operator-1",
            now=lambda: NOON,
            seen=self.seen.append,
            applied=lambda *_: None,
            wrote=lambda kind, verb: self.writes.append((kind, verb)),
        )

    @property
    def raw(self) -> dict[str, Any]:
        return self.server.get("TalkdeskInstallation", INSTALLATION)

    def as_seen(self) -> Mislabeled:
        metadata = self.raw["metadata"]
        return Mislabeled(
            "TalkdeskInstallation", "team", INSTALLATION, metadata["uid"], str(metadata["resourceVersion"])
        )


async def test_the_label_is_merged_into_the_others_and_the_answer_goes_to_the_cache() -> None:
    world = World()
    await world.cluster.label(world.as_seen(), KEY)
    assert world.raw["metadata"]["labels"] == {"team": "blue"} | slot_label("team", "sentiment", "acc-1")
    assert world.seen == [world.raw]
    assert world.writes == [("TalkdeskInstallation", "patch")]


async def test_another_version_is_not_labeled_and_the_cache_gets_the_present_one() -> None:
    world = World()
    seen = world.as_seen()
    world.server.edit("TalkdeskInstallation", INSTALLATION, {"metadata": {"labels": {"team": "red"}}})
    with pytest.raises(KubeConflict):
        await world.cluster.label(seen, KEY)
    assert world.raw["metadata"]["labels"] == {"team": "red", LABEL_SHARD_SLOT: "x"}
    assert world.seen == [world.raw]


async def test_an_object_that_is_gone_needs_no_label() -> None:
    world = World()
    seen = world.as_seen()
    world.server.remove("TalkdeskInstallation", INSTALLATION)
    await world.cluster.label(seen, KEY)
    assert world.seen == []
