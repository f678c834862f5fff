"""All accounts of an app are shown once, as they were at one moment, some at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from builders.label_selectors import listed
from builders.raw_objects import installation, tenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.shard import Shard
from talkdesk_operator.informer.cache import InformerCache
from talkdesk_operator.informer.survey import ApiSurvey
from talkdesk_runtime.kube_errors import KubeExpired

ACCOUNTS = 300
STRAY = AccountKey("team", "sentiment", "stray")


@dataclass
class Cluster:
    """Lists the accounts of one app; the present version grows with each request."""

    objects: list[dict[str, Any]]
    asked: list[dict[str, str]] = field(default_factory=list)
    expired: bool = False

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert method == "GET"
        assert query is not None
        self.asked.append(dict(query))
        if self.expired and "resourceVersion" in query:
            raise KubeExpired("too old")
        kind = "TalkdeskTenant" if path.endswith("/namespaces/team/talkdesktenants") else "TalkdeskInstallation"
        items = [dict(raw) for raw in self.objects if raw["kind"] == kind and listed(raw, query)]
        for item in items:
            del item["kind"]
        version = query.get("resourceVersion") or query.get("continue") or str(100 + len(self.asked))
        metadata = {"resourceVersion": version}
        if "continue" not in query and len(items) > 10:
            items, metadata["continue"] = items[:10], version
        elif "continue" in query:
            assert "resourceVersion" not in query, "the API server refuses both together"
            items = items[10:]
        return {"metadata": metadata, "items": items}


def objects() -> list[dict[str, Any]]:
    accounts = [f"a{number}" for number in range(ACCOUNTS)]
    found = [make(f"sentiment-{account}", account=account) for account in accounts for make in (installation, tenant)]
    return [*found, installation("sentiment-stray", account="stray", labels={})]


async def surveyed(shard: Shard, at_once: int, cluster: Cluster) -> list[InformerCache]:
    cache = InformerCache()
    for raw in cluster.objects:
        if listed(raw, {"labelSelector": shard.selector}):
            cache.observe(raw)
    survey = ApiSurvey(cluster, cache, shard, at_once=at_once)
    return [each async for each in survey("team", "sentiment")]


@pytest.mark.parametrize("shard", [Shard(0, 2), Shard(1, 2), Shard(3, 4)], ids=str)
@pytest.mark.parametrize("at_once", [1, 100, 100_000])
async def test_each_account_is_shown_once_and_whole_whatever_its_shard_is(shard: Shard, at_once: int) -> None:
    shown = [
        (key, len(cache.installations(key)), cache.tenant(key) is not None)
        for cache in await surveyed(shard, at_once, Cluster(objects()))
        for key in cache.keys_of_app("team", "sentiment")
    ]
    expected = [(AccountKey("team", "sentiment", f"a{number}"), 1, True) for number in range(ACCOUNTS)]
    assert sorted(shown) == sorted([*expected, (STRAY, 1, False)])


async def test_about_as_many_accounts_as_allowed_are_in_memory_at_once() -> None:
    sizes = [len(cache.account_keys()) for cache in await surveyed(Shard(1, 2), 100, Cluster(objects()))]
    assert len(sizes) >= 3
    assert max(sizes) <= 150


async def test_all_is_read_at_the_version_of_the_first_page() -> None:
    cluster = Cluster(objects())
    await surveyed(Shard(1, 2), 100, cluster)
    first, *others = cluster.asked
    assert "resourceVersion" not in first
    assert {
        (query.get("resourceVersion"), query.get("resourceVersionMatch"), query.get("continue")) for query in others
    } == {("101", "Exact", None), (None, None, "101")}
    assert {query["fieldSelector"] for query in cluster.asked} == {"spec.appRef.name=sentiment"}


async def test_a_version_that_is_gone_meanwhile_is_an_error() -> None:
    with pytest.raises(KubeExpired):
        await surveyed(Shard(0, 2), 100, Cluster(objects(), expired=True))
