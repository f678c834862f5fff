from datetime import timedelta
from typing import Any

import pytest

from builders.apps_api import AppsApi, app
from builders.events import APP_ID
from builders.odd_values import Odd, odd_values
from builders.ports import clock_of
from builders.scripted_kube import ScriptedKube
from talkdesk_crds.hosts import ForeignHostError
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.deep_json import read_json
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeNotFound, KubeUnreachable
from talkdesk_runtime.lookup_cache import LookupFailed
from talkdesk_webhook.app_list import AppList
from talkdesk_webhook.apps import Apps


def alone(kube: ScriptedKube, fresh_for: float, *, clock: Clock | None = None, allow_insecure: bool = False) -> Apps:
    """Return apps of which there is no list: each is read by itself."""
    listed = AppList(AppsApi(), allow_insecure=allow_insecure)
    return Apps(kube, listed, timedelta(seconds=fresh_for), clock=clock)


async def test_an_app_is_read_by_its_name_and_cached() -> None:
    kube = ScriptedKube(app())
    apps = alone(kube, 10)
    known = await apps.get("team", "sentiment")
    assert known is await apps.get("team", "sentiment")
    assert known is not None
    assert (known.namespace, known.name, known.app_id, known.verify_signatures) == ("team", "sentiment", APP_ID, True)
    assert known.hosts.api_url == "https://api.talkdeskapp.com"
    assert kube.requests == ["GET talkdeskapps/sentiment"]


async def test_a_change_is_seen_after_the_given_time() -> None:
    clock = [0.0]
    kube = ScriptedKube(app(), app(events={"signatureVerification": "Disabled"}))
    apps = alone(kube, 10, clock=clock_of(lambda: clock[0]))
    await apps.get("team", "sentiment")
    clock[0] = 10
    known = await apps.get("team", "sentiment")
    assert known is not None
    assert not known.verify_signatures


async def test_explicit_endpoints_are_the_only_hosts() -> None:
    own = {"api": "http://127.0.0.1:9", "token": "http://127.0.0.1:9/{account}/token", "allowInsecure": True}
    raw = app(endpoints=own)
    del raw["spec"]["region"]
    known = await alone(ScriptedKube(raw), 10, allow_insecure=True).get("team", "sentiment")
    assert known is not None
    known.hosts.check_api("http://127.0.0.1:9")
    with pytest.raises(ForeignHostError):
        known.hosts.check_api("https://api.talkdeskapp.com")


async def test_the_logout_endpoint_is_read_and_an_unusable_one_fails_no_other_event() -> None:
    logout = {"url": "http://plain.example/logout", "secretRef": {"name": "s", "key": "k"}}
    known = await alone(ScriptedKube(app(logout=logout)), 10).get("team", "sentiment")
    assert known is not None
    assert known.logout is not None
    assert (known.logout.url, known.logout.timeout, known.logout.allow_insecure) == (logout["url"], "3s", False)
    without = await alone(ScriptedKube(app()), 10).get("team", "sentiment")
    assert without is not None
    assert without.logout is None


@pytest.mark.case(90)
async def test_events_of_an_app_that_is_being_deleted_are_still_taken() -> None:
    raw = app()
    raw["metadata"] |= {
        "deletionTimestamp": "2026-03-01T12:00:00Z",
        "finalizers": ["appconnect.talkdesk.dev/customers"],
    }
    kube = ScriptedKube(raw)
    assert await alone(kube, 5).get("team", "sentiment") is not None


@pytest.mark.case(75)
@pytest.mark.parametrize("odd", [c for c in odd_values() if c.kind == "TalkdeskApp"], ids=lambda odd: odd.name)
async def test_an_odd_value_in_an_app_is_no_fault_of_ours_and_in_its_template_keeps_no_event_out(odd: Odd) -> None:
    apps = alone(ScriptedKube(read_json(odd.document())), 10)
    try:
        known = await apps.get("team", "odd")
    except LookupFailed:
        assert not odd.path.startswith("spec.tenant")
    else:
        assert known is not None
        assert known.app_id == "app-1"


async def test_an_app_that_does_not_exist_is_none() -> None:
    apps = alone(ScriptedKube(KubeNotFound("no")), 10)
    assert [await apps.get("team", "nope"), await apps.get("team", "nope")] == [None, None]


@pytest.mark.case(10)
@pytest.mark.parametrize("error", [KubeUnreachable("away"), KubeForbidden("no rights")])
async def test_while_an_app_cant_be_read_no_cached_one_is_used(error: KubeError) -> None:
    clock = [0.0]
    kube = ScriptedKube(app(), error)
    apps = alone(kube, 10, clock=clock_of(lambda: clock[0]))
    await apps.get("team", "sentiment")
    clock[0] = 11
    with pytest.raises(LookupFailed):
        await apps.get("team", "sentiment")


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_app_can_allow_plain_http_only_where_the_webhook_does(*, allowed: bool) -> None:
    logout = {"url": "http://a.example", "secretRef": {"name": "s", "key": "k"}, "allowInsecure": True}
    apps = alone(ScriptedKube(app(logout=logout)), 10, allow_insecure=allowed)
    known = await apps.get("team", "sentiment")
    assert known is not None
    assert known.logout is not None
    assert known.logout.allow_insecure == allowed


async def test_endpoints_of_plain_http_are_not_used_on_the_apps_word_alone() -> None:
    own = {"api": "http://127.0.0.1:9", "token": "http://127.0.0.1:9/{account}/token", "allowInsecure": True}
    with pytest.raises(LookupFailed, match="--allow-insecure"):
        await alone(ScriptedKube(app(region=None, endpoints=own)), 10).get("team", "sentiment")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"region": "MARS"}, "region"),
        ({"appId": None}, "appId"),
        ({"region": None}, "neither a region nor endpoints"),
        ({"region": None, "endpoints": {"api": "http://a.example", "token": "http://a.example"}}, "allowInsecure"),
    ],
)
async def test_an_app_that_cant_be_understood_is_a_failure_that_names_the_field(spec: dict[str, Any], why: str) -> None:
    with pytest.raises(LookupFailed, match=why):
        await alone(ScriptedKube(app(**spec)), 10).get("team", "sentiment")
