"""Apps as a list and a watch bring them: made-up names cost no request, real ones need none, whatever becomes of it."""

import asyncio
import time
from typing import Any

import pytest
import structlog

from builders.apps_api import AWAY, AppsApi, app, following
from builders.serving import until
from talkdesk_runtime.kube_errors import KubeError, KubeExpired, KubeForbidden, KubeOverloaded
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.apps import Apps

FORBIDDEN = KubeForbidden("no right to list talkdeskapps")


def api_with(*apps: dict[str, Any]) -> AppsApi:
    api = AppsApi()
    for each in apps:
        api.apply(each)
    return api


async def names(apps: Apps, *of: str) -> list[bool]:
    return [await apps.get("team", name) is not None for name in of]


async def test_an_app_that_is_there_is_known_before_its_first_event() -> None:
    api = api_with(app())
    async with following(api) as (listed, apps):
        known = await apps.get("team", "sentiment")
        assert known is not None
        assert known is await apps.get("team", "sentiment")
        assert listed.is_complete
        assert [*listed.apps()] == [known]
    assert api.requests == ["LIST", "WATCH"]


async def test_made_up_names_cause_no_request_and_do_not_wait_together() -> None:
    api = api_with(app())
    async with following(api) as (_, apps):
        started = time.monotonic()
        found = await asyncio.gather(*(apps.get("team", f"made-up-{number}") for number in range(1000)))
        assert time.monotonic() - started < 12, "64 at a time they would take more than 15 s"
        assert not any(found)
        assert await names(apps, "sentiment") == [True]
    assert api.gets == []


async def test_an_app_that_was_applied_a_moment_before_its_event_is_found() -> None:
    api = api_with()
    async with following(api) as (_, apps):
        first, same = (asyncio.create_task(apps.get("team", "sentiment")) for _ in range(2))
        await asyncio.sleep(0.02)
        api.apply(app())
        async with asyncio.timeout(0.5):
            assert [await first is not None, await same is not None] == [True, True]
        assert await apps.get("team", "other") is None
    assert api.gets == []


async def test_edits_and_deletions_take_effect_by_the_watch() -> None:
    api = api_with(app())
    async with following(api) as (listed, apps):
        api.apply(app(events={"signatureVerification": "Disabled"}))
        await until(lambda: [each.verify_signatures for each in listed.apps()] == [False])
        api.delete("sentiment")
        await until(lambda: not [*listed.apps()])
        assert await names(apps, "sentiment") == [False]
    assert api.gets == []


async def test_an_app_that_cant_be_understood_fails_with_the_field_until_it_is_mended() -> None:
    api = api_with(app(region="MARS"), app("good"))
    async with following(api) as (_, apps):
        with pytest.raises(LookupFailed, match="region"):
            await apps.get("team", "sentiment")
        assert await names(apps, "good") == [True]
        api.apply(app())
        await until(lambda: apps._listed.find("team", "sentiment").problem == "")  # type: ignore[union-attr]
        assert await names(apps, "sentiment") == [True]


async def test_what_was_deleted_while_the_watch_was_broken_is_gone_with_the_next_list() -> None:
    api = api_with(app(), app("other"))
    async with following(api) as (listed, apps):
        del api.apps["team", "other"]
        api.cut(KubeExpired("too old"))
        await until(lambda: api.requests.count("LIST") == 2 and api.watched == 1)
        assert listed.is_complete
        assert await names(apps, "sentiment", "other") == [True, False]


async def test_a_watch_that_the_server_ends_goes_on_and_the_list_counts_meanwhile() -> None:
    api = api_with(app())
    async with following(api) as (listed, apps):
        api.cut(None)
        await until(lambda: api.requests.count("WATCH") == 2)
        assert listed.is_complete
        assert await names(apps, "sentiment") == [True]
    assert (api.requests.count("LIST"), api.gets) == (1, [])


@pytest.mark.parametrize("error", [AWAY, KubeOverloaded("busy"), FORBIDDEN], ids=lambda error: type(error).__name__)
async def test_without_a_watch_apps_are_read_one_by_one_until_there_is_one(error: KubeError) -> None:
    api = api_with(app(), app("other"))
    async with following(api) as (listed, apps):
        api.down = error
        with structlog.testing.capture_logs() as logs:
            api.cut(error)
            await until(lambda: not listed.is_complete)
            with pytest.raises(LookupFailed):  # an old list is not believed: the event could not be stored either
                await apps.get("team", "sentiment")
            api.down = None
            await until(lambda: api.watched == 1)
            api.bookmark()
            await until(lambda: listed.is_complete)
        assert [each["event"] for each in logs] == ["apps.not_watched", "apps.watched"]
        assert await names(apps, "sentiment", "other") == [True, True]
    assert api.gets == ["GET sentiment"]


async def test_without_the_right_to_list_made_up_names_are_read_within_a_budget_and_known_ones_ever_again() -> None:
    api, seconds = api_with(app()), [0.0]
    async with following(api, seconds=seconds) as (listed, apps):
        api.cut(FORBIDDEN)
        api.down = FORBIDDEN
        await until(lambda: not listed.is_complete)
        api.down = None
        listed._places[""].is_current = False
        refused = 0
        for number in range(2000):
            seconds[0] += 0.005
            try:
                assert await apps.get("team", f"made-up-{number}") is None
            except LookupFailed:
                refused += 1
            listed._places[""].is_current = False  # as it stays where the right is missing
            if number % 100 == 0:
                assert await names(apps, "sentiment") == [True]
        assert refused > 1000
        assert len(api.gets) < 500


async def test_only_apps_of_the_namespaces_that_are_named_are_looked_for() -> None:
    api = api_with(app(), app("second", "other"), app("third", "foreign"))
    async with following(api, "team", "other") as (listed, apps):
        assert sorted(each.name for each in listed.apps()) == ["second", "sentiment"]
        assert await apps.get("foreign", "third") is None
        assert await apps.get("other", "second") is not None
    assert sorted(api.requests) == ["LIST", "LIST", "WATCH", "WATCH"]


async def test_one_namespace_that_cant_be_listed_is_no_reason_to_doubt_another() -> None:
    api = api_with(app(), app("second", "other"))
    async with following(api, "team", "other") as (listed, apps):
        listed._places["other"].is_current = False
        assert not listed.is_complete
        assert await names(apps, "sentiment") == [True]
        assert await apps.get("other", "second") is not None
    assert api.gets == ["GET second"]


async def test_a_defect_ends_no_watch_for_good() -> None:
    api = api_with(app())
    async with following(api) as (listed, apps):
        with structlog.testing.capture_logs() as logs:
            api._send({"type": "MODIFIED", "object": {"metadata": {}}})
            await until(lambda: api.requests.count("LIST") == 2 and listed.is_complete)
        assert "apps.watch_raised" in [each["event"] for each in logs]
        assert await names(apps, "sentiment") == [True]


async def test_nobody_waits_for_a_listing_that_was_not_allowed_from_the_start() -> None:
    api = api_with(app())
    api.down = FORBIDDEN
    async with following(api) as (listed, _):
        assert listed.was_tried
        assert not listed.is_complete


async def test_nobody_waits_for_a_listing_that_makes_no_sense() -> None:
    api = api_with(app())
    del api.apps["team", "sentiment"]["metadata"]["name"]
    async with following(api) as (listed, _):
        assert listed.was_tried
