import asyncio
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.label_selectors import listed
from builders.manual_clock import ManualClock
from builders.raw_objects import app, installation, tenant
from talkdesk_crds.names import GROUP, LABEL_SHARD_SLOT
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.informer.cache import KINDS, InformerCache
from talkdesk_operator.informer.relist import Relist, ResourceVersionWentBack
from talkdesk_operator.informer.selection import Selection
from talkdesk_operator.observability.probes import Health, Stage
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNoPath, KubeUnreachable

KEY = AccountKey("team", "sentiment", "a1")
PLURALS = {kind.INFO.plural: kind.INFO.kind for kind in KINDS}


def relist(
    cluster: "Cluster",
    cache: InformerCache,
    *namespaces: str,
    clock: Clock | None = None,
    shard: Shard = WHOLE,
    **pages: int,
) -> Relist:
    rng = random.Random(1)  # noqa: S311 - a test
    runtime = clock or ManualClock().runtime_clock()
    return Relist(cluster, cache, Selection(namespaces, shard), clock=runtime, rng=rng, **pages)


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
            if raw["kind"] == PLURALS[plural]
            and place in ("v1alpha1", raw["metadata"]["namespace"])
            and listed(raw, query)
        ]
        start, limit = int(query.get("continue", "0")), int(query["limit"])
        metadata = {"resourceVersion": self.version}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return {"metadata": metadata, "items": items[start : start + limit]}


class Reported:
    """The accounts that were reported to have changed."""

    def __init__(self) -> None:
        self.keys: set[AccountKey] = set()

    async def __call__(self, _kind: str, keys: Collection[AccountKey]) -> None:
        self.keys |= set(keys)


async def load(listing: Relist) -> set[AccountKey]:
    reported = Reported()
    await listing.load(reported)
    return reported.keys


def health() -> Health:
    it = Health(clock=ManualClock().time, max_event_age=timedelta(seconds=90))
    it.enter(Stage.LOADING)
    return it


async def test_all_kinds_are_loaded_page_by_page() -> None:
    cache = InformerCache()
    cluster = Cluster([installation(f"i{n}", account=f"a{n}") for n in range(5)] + [tenant(account="a1"), app()])
    keys = await load(relist(cluster, cache, page_size=2))
    assert len(keys) == 6
    assert len(list(cache.all_installations())) == 5
    assert cache.tenant(KEY) is not None
    assert cache.app("team", "sentiment") is not None
    assert len(cluster.asked) == 5


async def test_only_the_given_namespaces_are_listed() -> None:
    cache = InformerCache()
    places = {"i1": "team", "i2": "other", "i3": "third"}
    cluster = Cluster([installation(name, namespace=place) for name, place in places.items()])
    await load(relist(cluster, cache, "team", "third"))
    assert {i.metadata.name for i in cache.all_installations()} == {"i1", "i3"}
    assert len(cluster.asked) == 6


async def test_an_object_that_a_listing_does_not_show_any_more_is_dropped() -> None:
    cache = InformerCache()
    cluster = Cluster([installation("i1"), installation("i2"), tenant()])
    listing = relist(cluster, cache)
    await load(listing)
    assert await load(listing) == set()
    del cluster.objects[1]
    assert await load(listing) == {KEY}
    assert [i.metadata.name for i in cache.installations(KEY)] == ["i1"]


@pytest.mark.case(48)
async def test_a_resource_version_lower_than_before_is_an_error() -> None:
    cache = InformerCache()
    cluster = Cluster([installation(version="90")])
    listing = relist(cluster, cache)
    await load(listing)
    cluster.version = "50"
    with pytest.raises(ResourceVersionWentBack, match="50 is lower than 90"):
        await load(listing)


@pytest.mark.case(48)
async def test_an_object_in_an_older_version_than_before_is_an_error_however_high_the_listing_is() -> None:
    cluster = Cluster([installation(version="90")])
    listing = relist(cluster, InformerCache())
    await load(listing)
    cluster.objects, cluster.version = [installation(version="80")], "120"
    with pytest.raises(ResourceVersionWentBack, match="TalkdeskInstallation i1 went back from version 90 to 80"):
        await load(listing)


async def test_an_object_that_a_write_has_moved_on_while_it_was_listed_is_none() -> None:
    cache = InformerCache()
    cluster = Cluster([installation("i1", version="80"), installation("i2", version="90")])
    listing = relist(cluster, cache, page_size=1)
    await load(listing)

    async def write(_kind: str, _keys: Collection[AccountKey]) -> None:
        cache.put(installation("i2", version="101"))

    await listing.resume("talkdeskinstallations", "", write)
    assert [each.metadata.resource_version for each in cache.installations(KEY)] == ["80", "101"]


async def test_an_object_made_anew_under_its_name_is_none() -> None:
    cluster = Cluster([installation(version="90", uid="first")])
    listing = relist(cluster, InformerCache())
    await load(listing)
    cluster.objects, cluster.version = [installation(version="95", uid="second")], "120"
    assert await load(listing) == {KEY}


async def test_loading_waits_for_the_api_server_and_the_kinds_with_a_back_off_and_reports_the_reason() -> None:
    cache, it = InformerCache(), health()
    errors: list[KubeError] = [KubeUnreachable("refused"), KubeForbidden("may not list"), KubeNoPath("no such kind")]
    cluster, reported = Cluster([installation()], errors=errors), Reported()
    clock = ManualClock()
    with capture_logs() as logs:
        await relist(cluster, cache, clock=clock.runtime_clock()).load_until_successful(it, reported)
    assert [least <= slept <= 2 * least for least, slept in zip((0.5, 1, 2), clock.sleeps, strict=True)] == [True] * 3
    assert [log["reason"] for log in logs] == [
        "refused",
        "may not list",
        f"the CustomResourceDefinitions of {GROUP}/v1alpha1 are not installed",
    ]
    assert it.not_ready() == f"loading: {logs[-1]['reason']}"
    assert cache.account_keys() == (KEY,)
    assert reported.keys == {KEY}


async def test_listings_repeat_and_report_what_changed_also_after_a_failure() -> None:
    cache, reported = InformerCache(), asyncio.Queue[AccountKey]()

    async def report(_kind: str, keys: Collection[AccountKey]) -> None:
        for key in keys:
            reported.put_nowait(key)

    cluster = Cluster(errors=[KubeUnreachable("refused")])
    listing = relist(cluster, cache)
    with capture_logs() as logs:
        repeating = asyncio.create_task(listing.repeat(timedelta(minutes=1), report))
        cluster.objects.append(installation())
        assert await asyncio.wait_for(reported.get(), 10) == KEY
        cluster.version = "0"
        with pytest.raises(ResourceVersionWentBack):
            await asyncio.wait_for(repeating, 10)
    assert [log["event"] for log in logs] == ["listing.failed"]


async def test_a_shard_lists_all_apps_and_of_the_other_kinds_what_bears_its_label() -> None:
    objects = [app()]
    for number in range(20):
        objects += [installation(f"i{number}", account=f"a{number}"), tenant(f"t{number}", account=f"a{number}")]
    objects += [installation("stray", account="a0", labels={}), tenant("lost", account="a0", labels={"x": "y"})]
    keys = {AccountKey("team", "sentiment", f"a{number}") for number in range(20)}
    shown: list[set[AccountKey]] = []
    for shard in (Shard(0, 3), Shard(1, 3), Shard(2, 3)):
        cache = InformerCache()
        await relist(Cluster(objects), cache, shard=shard, page_size=7).load(ignore)
        assert cache.app("team", "sentiment") is not None
        shown.append({key for key in cache.account_keys() if not key.is_app})
    strays = {KEY_OF_STRAYS}
    assert [keys_of - strays for keys_of in shown] == [
        {key for key in keys - strays if Shard(index, 3).owns(key)} for index in range(3)
    ]
    assert strays <= shown[0]


async def test_what_has_left_a_shard_is_dropped_by_its_next_listing() -> None:
    cache = InformerCache()
    shard = next(each for each in (Shard(0, 2), Shard(1, 2)) if each.owns(KEY))
    await relist(Cluster([installation()]), cache, shard=shard).load(ignore)
    assert KEY in cache
    other = str(1 - shard.index)
    moved = installation(version="2", labels={LABEL_SHARD_SLOT: other})
    await relist(Cluster([moved]), cache, shard=shard).load(ignore)
    assert KEY not in cache
    await relist(Cluster([installation(version="101")], version="101"), cache, shard=shard).load(ignore)
    assert KEY in cache


KEY_OF_STRAYS = AccountKey("team", "sentiment", "a0")


async def ignore(_kind: str, _keys: Collection[AccountKey]) -> None:
    pass
