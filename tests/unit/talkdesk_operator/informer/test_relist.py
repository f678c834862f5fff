import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.manual_clock import ManualClock
from builders.raw_objects import app, installation, tenant
from talkdesk_crds.names import GROUP
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.informer.relist import Relist, ResourceVersionWentBack
from talkdesk_operator.observability.probes import Health, Stage
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNotFound, KubeUnreachable

KEY = AccountKey("team", "sentiment", "a1")
PLURALS = {kind.INFO.plural: kind.INFO.kind for kind in KINDS}
CHANCE = random.Random


@dataclass
class Cluster:
    """Objects in pages, as the API server lists them; the errors that are due come first."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    version: str = "100"
    errors: list[KubeError] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert method == "GET"
        assert query is not None
        self.asked.append(path)
        if self.errors:
            raise self.errors.pop(0)
        *_, place, plural = path.split("/")
        items = [
            {name: value for name, value in raw.items() if name != "kind"}
            for raw in self.objects
            if raw["kind"] == PLURALS[plural] and place in ("v1alpha1", raw["metadata"]["namespace"])
        ]
        start, limit = int(query.get("continue", "0")), int(query["limit"])
        metadata = {"resourceVersion": self.version}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return {"metadata": metadata, "items": items[start : start + limit]}


def health() -> Health:
    it = Health(clock=ManualClock().time, silence_limit=timedelta(seconds=90))
    it.enter(Stage.LOADING)
    return it


async def test_all_kinds_are_loaded_page_by_page() -> None:
    store = InformerCache()
    cluster = Cluster([installation(f"i{n}", account=f"a{n}") for n in range(5)] + [tenant(account="a1"), app()])
    keys = await Relist(cluster, store, (), chunk=2).load()
    assert len(keys) == 6
    assert len(list(store.all_installations())) == 5
    assert store.tenant(KEY) is not None
    assert store.app("team", "sentiment") is not None
    assert len(cluster.asked) == 5


async def test_only_the_given_namespaces_are_listed() -> None:
    store = InformerCache()
    places = {"i1": "team", "i2": "other", "i3": "third"}
    cluster = Cluster([installation(name, namespace=place) for name, place in places.items()])
    await Relist(cluster, store, ("team", "third")).load()
    assert {i.metadata.name for i in store.all_installations()} == {"i1", "i3"}
    assert len(cluster.asked) == 6


async def test_what_a_listing_does_not_show_any_more_is_dropped() -> None:
    store = InformerCache()
    cluster = Cluster([installation("i1"), installation("i2"), tenant()])
    listing = Relist(cluster, store, ())
    await listing.load()
    assert await listing.load() == frozenset()
    del cluster.objects[1]
    assert await listing.load() == {KEY}
    assert [i.metadata.name for i in store.installations(KEY)] == ["i1"]


@pytest.mark.case(48)
async def test_an_api_server_that_counts_lower_than_before_is_found_out() -> None:
    store = InformerCache()
    cluster = Cluster([installation(version="90")])
    listing = Relist(cluster, store, ())
    await listing.load()
    cluster.version = "50"
    with pytest.raises(ResourceVersionWentBack, match="50 is lower than 90"):
        await listing.load()


async def test_loading_waits_for_the_api_server_and_the_kinds_and_says_what_is_in_the_way() -> None:
    store, it = InformerCache(), health()
    errors: list[KubeError] = [KubeUnreachable("refused"), KubeForbidden("may not list"), KubeNotFound("no such kind")]
    cluster = Cluster([installation()], errors=errors)
    with capture_logs() as logs:
        await asyncio.wait_for(Relist(cluster, store, (), first_delay=0.001).load_until_successful(it, CHANCE(1)), 10)
    assert [log["reason"] for log in logs] == [
        "refused",
        "may not list",
        f"the CustomResourceDefinitions of {GROUP}/v1alpha1 are not installed",
    ]
    assert it.unready() == f"loading: {logs[-1]['reason']}"
    assert store.account_keys() == (KEY,)


async def test_listings_repeat_and_tell_what_changed_also_after_a_failure() -> None:
    store, told = InformerCache(), asyncio.Queue[AccountKey]()
    cluster = Cluster(errors=[KubeUnreachable("refused")])
    listing = Relist(cluster, store, ())
    with capture_logs() as logs:
        repeating = asyncio.create_task(listing.repeat(timedelta(milliseconds=1), CHANCE(1), told.put_nowait))
        cluster.objects.append(installation())
        assert await asyncio.wait_for(told.get(), 10) == KEY
        cluster.version = "0"
        with pytest.raises(ResourceVersionWentBack):
            await asyncio.wait_for(repeating, 10)
    assert [log["event"] for log in logs] == ["listing.failed"]
