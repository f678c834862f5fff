"""The drift watches over a scripted API: which run, what they ask, report and log. See also test_reflector."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from builders.kube_api import Answer, Asked, answer, connect, failure, stream
from builders.kube_api import kube_api as served
from builders.serving import until
from talkdesk_crds.names import FIELD_MANAGER, LABEL_APP, LABEL_TENANT
from talkdesk_operator.adapters.kubernetes.drift import DriftWatches, WatchTimes
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.tenant.drift import Target
from talkdesk_runtime.clock import Clock

pytestmark = pytest.mark.case(51)
IDENTITY = "system:serviceaccount:team:maker"
SELECTOR = f"app.kubernetes.io/managed-by=talkdesk-operator,{LABEL_APP}=sentiment,{LABEL_TENANT}"
QUICK = WatchTimes(first_delay=timedelta(milliseconds=1), longest_delay=timedelta(milliseconds=5))
CORE = {
    "resources": [{"kind": kind, "name": f"{kind.lower()}s", "namespaced": True} for kind in ("ConfigMap", "Secret")]
}


def target(kind: str = "ConfigMap", app: str = "sentiment") -> Target:
    return Target("team", app, IDENTITY, "", "v1", kind)


def found(name: str, version: int, *, held: int = 1, tenant: str | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = {f"f:{number}": {} for number in range(held)}
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields, "time": "2026-01-01T12:00:00Z"}
    labels = {LABEL_TENANT: tenant or f"{name}-tenant", LABEL_APP: "sentiment"}
    metadata = {"name": name, "uid": name, "resourceVersion": str(version), "labels": labels, "managedFields": [entry]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def listing(version: int, *items: dict[str, Any], more: str = "") -> Answer:
    return answer({"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)})


def event(kind: str, **metadata: Any) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": metadata}}


def changed(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": raw}


@dataclass
class Api:
    """Discovery, and a script for each kind's listings and streams; after its end, streams that stay open."""

    scripts: dict[str, list[Answer]]
    asked: list[Asked] = field(default_factory=list)
    open: int = 0

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/api/v1":
            return await answer(CORE)(request)
        self.asked.append(Asked(request.method, request.path, request.query, request.headers, b""))
        script = self.scripts.get(request.path.rpartition("/")[2], [])
        if script:
            return await script.pop(0)(request)
        if not self.asked[-1].is_watch:
            return await listing(1)(request)
        self.open += 1
        try:
            return await stream(end="open")(request)
        finally:
            self.open -= 1


@dataclass
class Run:
    """Watches that run, and what they reported."""

    api: Api
    watches: DriftWatches
    reported: list[str]
    counted: list[str]
    logs: list[Any]


@asynccontextmanager
async def running(
    tmp_path: Path, *targets: Target, times: WatchTimes = QUICK, **scripts: list[Answer]
) -> AsyncIterator[Run]:
    api, reported, counted = Api(scripts), list[str](), list[str]()

    def notify(namespace: str, tenant: str) -> None:
        assert namespace == "team"
        reported.append(tenant)

    with structlog.testing.capture_logs() as logs:
        async with served(api.respond) as server, await connect(tmp_path, server.url) as kube:
            rng = random.Random(1)  # noqa: S311 - spreads load only
            watches = DriftWatches(
                kube, Resources(kube), notify, count=counted.append, clock=Clock.system(), rng=rng, times=times
            )
            watches.follow(frozenset(targets))
            task = asyncio.create_task(watches.run())
            yield Run(api, watches, reported, counted, logs)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def in_steady_state(run: Run, streams: int = 1) -> None:
    """Wait until every script has been played and what came of it was taken."""
    await until(lambda: not any(run.api.scripts.values()) and run.api.open == streams)


async def test_a_watch_lists_and_goes_on_from_there_with_metadata_only_in_the_provisioners_name(tmp_path: Path) -> None:
    async with running(tmp_path, target(), configmaps=[listing(7)]) as run:
        await in_steady_state(run)
    listed, watched = run.api.asked
    assert (listed.path, watched.path) == ("/api/v1/configmaps", "/api/v1/configmaps")
    assert listed.query == {"labelSelector": SELECTOR, "limit": "500"}
    assert {k: v for k, v in watched.query.items() if k != "timeoutSeconds"} == {
        "labelSelector": SELECTOR,
        "resourceVersion": "7",
        "allowWatchBookmarks": "true",
        "watch": "true",
    }
    assert 300 <= int(watched.query["timeoutSeconds"]) <= 600
    assert listed.headers["Accept"].startswith("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert watched.headers["Accept"].startswith("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert {asked.headers["Impersonate-User"] for asked in run.api.asked} == {IDENTITY}


async def test_drift_is_reported_and_counted_and_nothing_else(tmp_path: Path) -> None:
    events = [
        changed("ADDED", found("new", 8)),
        changed("MODIFIED", found("quiet", 9, held=2)),
        changed("MODIFIED", found("edited", 10, held=1)),
        changed("DELETED", found("deleted", 11)),
        changed("NOVELTY", found("edited", 12, held=0)),
        event("BOOKMARK", resourceVersion="13"),
    ]
    start = listing(7, found("quiet", 5, held=2), found("edited", 5, held=2), found("deleted", 5))
    async with running(tmp_path, target(), configmaps=[start, stream(*events)]) as run:
        await in_steady_state(run)
        assert run.reported == ["edited-tenant", "deleted-tenant"]
        assert run.counted == ["ConfigMap", "ConfigMap"]
        assert run.api.asked[-1].query["resourceVersion"] == "13"


@pytest.mark.parametrize(
    "broken",
    [
        stream(changed("ADDED", found("one", 9))),
        stream(changed("ADDED", found("one", 9)), end="cut"),
        stream(changed("ADDED", found("one", 9)), {"type": "ERROR", "object": {"code": 500}}),
    ],
    ids=["ended", "cut", "overloaded"],
)
async def test_a_stream_that_ends_goes_on_from_its_last_version(tmp_path: Path, broken: Answer) -> None:
    async with running(tmp_path, target(), configmaps=[listing(7), broken, failure(503)]) as run:
        await in_steady_state(run)
        assert [(asked.is_watch, asked.query.get("resourceVersion")) for asked in run.api.asked] == [
            (False, None),
            (True, "7"),
            (True, "9"),
            (True, "9"),
        ]


@pytest.mark.parametrize(
    "broken",
    [failure(410), stream({"type": "ERROR", "object": {"code": 410}}), stream(b"nonsense\n"), failure(404)],
    ids=["gone", "gone in the stream", "nonsense", "no such kind"],
)
async def test_after_a_gap_a_new_listing_shows_what_was_changed_or_deleted_in_it(
    tmp_path: Path, broken: Answer
) -> None:
    before = listing(7, found("edited", 5, held=2), found("deleted", 6), found("kept", 6))
    after = [listing(20, found("edited", 9), more="next"), listing(20, found("kept", 6))]
    async with running(tmp_path, target(), configmaps=[before, broken, *after]) as run:
        await in_steady_state(run)
        assert run.reported == ["edited-tenant", "deleted-tenant"]
        assert [asked.query.get("continue") for asked in run.api.asked if not asked.is_watch] == [None, None, "next"]


async def test_a_listing_whose_continuation_is_too_old_begins_anew_and_loses_nothing(tmp_path: Path) -> None:
    script = [listing(7, found("a", 5), more="next"), failure(410), listing(8, found("a", 5), found("b", 6))]
    async with running(tmp_path, target(), configmaps=script) as run:
        await in_steady_state(run)
        assert run.reported == []


@pytest.mark.parametrize("strange", [{}, {"metadata": None}, {"metadata": {"resourceVersion": ""}, "items": None}])
async def test_a_listing_that_makes_no_sense_is_asked_for_again(tmp_path: Path, strange: dict[str, Any]) -> None:
    quick = WatchTimes(first_delay=timedelta(milliseconds=1), longest_delay_refused=timedelta(milliseconds=1))
    async with running(tmp_path, target(), times=quick, configmaps=[answer(strange), listing(7)]) as run:
        await in_steady_state(run)
        assert run.api.asked[-1].query["resourceVersion"] == "7"


async def test_later_changes_are_compared_with_the_object_as_we_applied_it(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def later(request: web.BaseRequest) -> web.StreamResponse:
        await go_on.wait()
        return await stream(changed("MODIFIED", found("one", 9)), changed("MODIFIED", found("one", 10, held=0)))(
            request
        )

    async with running(tmp_path, target(), configmaps=[listing(7, found("one", 5, held=2)), later]) as run:
        await until(lambda: run.api.scripts["configmaps"] == [])
        run.watches.applied(IDENTITY, found("one", 9, held=1))
        run.watches.applied("somebody", found("one", 90))
        run.watches.applied(IDENTITY, {})
        run.watches.applied(IDENTITY, {"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": None}})
        go_on.set()
        await in_steady_state(run)
        assert run.reported == ["one-tenant"]


async def test_exactly_the_targets_are_watched_and_the_others_go_on_undisturbed(tmp_path: Path) -> None:
    async with running(tmp_path, target("ConfigMap")) as run:
        await in_steady_state(run)
        run.watches.follow(frozenset({target("ConfigMap"), target("Secret"), target("Secret", app="other")}))
        await in_steady_state(run, streams=3)
        run.watches.follow(frozenset({target("Secret")}))
        await in_steady_state(run, streams=1)
        run.watches.follow(frozenset())
        await in_steady_state(run, streams=0)
        assert sum(not asked.is_watch for asked in run.api.asked) == 3
    assert run.api.open == 0


async def test_targets_may_change_before_the_start(tmp_path: Path) -> None:
    async with served() as server, await connect(tmp_path, server.url) as kube:
        watches = DriftWatches(kube, Resources(kube), print, count=print, clock=Clock.system(), rng=random.Random(1))  # noqa: S311 - spreads load only
        watches.follow(frozenset({target()}))
        watches.follow(frozenset())
        task = asyncio.create_task(watches.run())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert server.asked == []


async def test_a_missing_right_is_logged_once_and_again_when_it_was_granted(tmp_path: Path) -> None:
    quick = WatchTimes(first_delay=timedelta(milliseconds=1), longest_delay_refused=timedelta(milliseconds=1))
    refused = [failure(403, "Forbidden", "she may not list secrets")] * 7
    async with running(tmp_path, target("Secret"), times=quick, secrets=[*refused, listing(7)]) as run:
        await in_steady_state(run)
    assert [(log["event"], log["log_level"], log["kind"]) for log in run.logs] == [
        ("drift.not_watched", "info", "Secret"),
        ("drift.watched_again", "info", "Secret"),
    ]
    assert run.logs[0]["error"] == "she may not list secrets"
    assert run.logs[0]["hint"].endswith(f"allow list and watch to {IDENTITY}")


async def test_failures_that_pass_by_themselves_are_logged_only_when_they_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, target(), configmaps=[failure(503)] * 12) as run:
        await in_steady_state(run)
    assert [(log["event"], log["log_level"]) for log in run.logs] == [("drift.watch_fails", "warning")]


async def test_a_kind_that_is_not_served_is_logged_and_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path, target("Gadget")) as run:
        await until(lambda: bool(run.logs))
        assert "the API server has no kind Gadget" in run.logs[0]["error"]


async def test_an_exception_of_whoever_gets_the_reports_is_raised(tmp_path: Path) -> None:
    def notify(_: str, tenant: str) -> None:
        raise LookupError(tenant)

    api = Api({"configmaps": [listing(7), stream(changed("DELETED", found("one", 8)))]})
    async with served(api.respond) as server, await connect(tmp_path, server.url) as kube:
        rng = random.Random(1)  # noqa: S311 - spreads load only
        watches = DriftWatches(kube, Resources(kube), notify, count=str, clock=Clock.system(), rng=rng)
        watches.follow(frozenset({target()}))
        with pytest.raises(ExceptionGroup) as raised:
            await watches.run()
    assert [str(error) for error in raised.value.exceptions] == ["one-tenant"]
