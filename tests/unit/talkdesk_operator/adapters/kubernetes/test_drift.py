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
from talkdesk_crds.names import FIELD_MANAGER, LABEL_APP, LABEL_NAMESPACE, LABEL_SHARD_SLOT, LABEL_TENANT
from talkdesk_operator.adapters.kubernetes.drift import DriftWatches, WatchTimes
from talkdesk_operator.adapters.kubernetes.resources import Resources
from talkdesk_operator.domain.shard import WHOLE, Shard
from talkdesk_operator.domain.tenant.drift import Change, DriftDetector, Sighting, Target
from talkdesk_runtime.clock import Clock

pytestmark = pytest.mark.case(51)
IDENTITY = "system:serviceaccount:team:maker"
SELECTOR = f"app.kubernetes.io/managed-by=talkdesk-operator,{LABEL_NAMESPACE}=team,{LABEL_APP}=sentiment,{LABEL_TENANT}"
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
        if request.query.get("limit") == "1":  # which version it is at
            return await listing(1_000_000)(request)
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
    """Tenants whose objects have drifted or are gone."""
    moved: list[str]
    """Tenants of whose objects something else has changed."""
    audited: list[tuple[Target, int]]
    """Targets whose first listing is complete, with the number of objects in it."""
    logs: list[Any]


@asynccontextmanager
async def running(
    tmp_path: Path, *targets: Target, times: WatchTimes = QUICK, shard: Shard = WHOLE, **scripts: list[Answer]
) -> AsyncIterator[Run]:
    api, reported, moved, audited = Api(scripts), list[str](), list[str](), list[tuple[Target, int]]()

    def notify(sighting: Sighting) -> None:
        assert sighting.target in targets
        (moved if sighting.change is Change.OTHER else reported).append(sighting.tenant)

    async def audit(listed: Target, detector: DriftDetector) -> None:
        audited.append((listed, len(detector)))

    with structlog.testing.capture_logs() as logs:
        async with served(api.respond) as server, await connect(tmp_path, server.url) as kube:
            rng = random.Random(1)  # noqa: S311 - spreads load only
            watches = DriftWatches(
                kube, Resources(kube), notify, audit=audit, clock=Clock.system(), rng=rng, times=times, shard=shard
            )
            watches.follow(frozenset(targets))
            task = asyncio.create_task(watches.run())
            yield Run(api, watches, reported, moved, audited, logs)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def nothing(_target: Target, _listed: DriftDetector) -> None:
    pass


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


async def test_the_watches_of_a_shard_show_its_objects_alone(tmp_path: Path) -> None:
    async with running(tmp_path, target(), configmaps=[listing(7)], shard=Shard(1, 32)) as run:
        await in_steady_state(run)
    assert [asked.query["labelSelector"] for asked in run.api.asked] == [f"{SELECTOR},{LABEL_SHARD_SLOT} in (1,33)"] * 2


async def test_drift_is_told_from_other_changes(tmp_path: Path) -> None:
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
        assert run.moved == ["quiet-tenant"]
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


async def test_the_version_of_an_object_is_known_while_it_is_watched(tmp_path: Path) -> None:
    uid = found("one", 9)["metadata"]["uid"]
    manifest = found("one", 9)
    async with running(tmp_path, target(), configmaps=[listing(7, found("one", 5))]) as run:
        await in_steady_state(run)
        assert run.watches.version_seen(IDENTITY, manifest, uid) == "5"
        run.watches.applied(IDENTITY, manifest)
        assert run.watches.version_seen(IDENTITY, manifest, uid) == "9"
        assert run.watches.version_seen(IDENTITY, manifest, "another") is None
        assert run.watches.version_seen("somebody", manifest, uid) is None
    async with running(tmp_path, target(), configmaps=[failure(403, "Forbidden")] * 3) as run:
        await until(lambda: run.logs != [])
        run.watches.applied(IDENTITY, manifest)
        assert run.watches.version_seen(IDENTITY, manifest, uid) is None, "nobody would see a change of it"


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
        rng = random.Random(1)  # noqa: S311 - spreads load only
        watches = DriftWatches(kube, Resources(kube), print, audit=nothing, clock=Clock.system(), rng=rng)
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


async def test_no_further_objects_are_kept_while_they_may_not_be_watched(tmp_path: Path) -> None:
    quick = WatchTimes(first_delay=timedelta(milliseconds=1), longest_delay_refused=timedelta(milliseconds=1))
    go_on = asyncio.Event()

    async def refused(request: web.BaseRequest) -> web.StreamResponse:
        await go_on.wait()
        return await failure(403, "Forbidden")(request)

    async with running(tmp_path, target("Secret"), times=quick, secrets=[refused, *[failure(403)] * 100]) as run:
        [watch] = run.watches._watches.values()
        secret = {**found("early", 5), "kind": "Secret"}
        run.watches.applied(IDENTITY, secret)
        assert len(watch.observations) == 1
        go_on.set()
        await until(lambda: bool(run.logs))
        run.watches.applied(IDENTITY, {**secret, "metadata": secret["metadata"] | {"resourceVersion": "6"}})
        run.watches.applied(IDENTITY, {**found("late", 7), "kind": "Secret"})
        assert len(watch.observations) == 1
        assert watch.observations.version(secret["metadata"]["uid"]) == "6"


async def test_failures_that_pass_by_themselves_are_logged_only_when_they_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, target(), configmaps=[failure(503)] * 12) as run:
        await in_steady_state(run)
    assert [(log["event"], log["log_level"]) for log in run.logs] == [("drift.watch_fails", "warning")]


async def test_a_kind_that_is_not_served_is_logged_and_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path, target("Gadget")) as run:
        await until(lambda: bool(run.logs))
        assert "the API server has no kind Gadget" in run.logs[0]["error"]


@pytest.mark.case(88)
async def test_the_first_listing_of_a_kind_is_audited_once_when_it_is_complete(tmp_path: Path) -> None:
    pages = [listing(7, found("a", 5), more="next"), listing(7, found("b", 5))]
    async with running(tmp_path, target(), configmaps=[*pages, failure(410), listing(9, found("a", 5))]) as run:
        await in_steady_state(run)
        await until(lambda: run.audited == [(target(), 2)])


@pytest.mark.parametrize("broken", ["report", "audit"])
async def test_a_watch_in_which_something_is_raised_begins_anew_and_the_others_go_on(
    tmp_path: Path, broken: str
) -> None:
    reported: list[str] = []

    def notify(sighting: Sighting) -> None:
        reported.append(sighting.tenant)
        if broken == "report" and sighting.tenant == "one-tenant":
            raise LookupError("in the report")

    async def audit(listed: Target, _: DriftDetector) -> None:
        if broken == "audit" and listed.kind == "ConfigMap":
            await until(lambda: "one-tenant" in reported)  # the stream of the script is open then
            raise LookupError("in the audit")

    gone = [stream(changed("DELETED", found(name, 8)), end="open") for name in ("one", "two", "three")]
    api = Api({"configmaps": [listing(7), gone[0], listing(9), gone[1]], "secrets": [listing(7), gone[2]]})
    with structlog.testing.capture_logs() as logs:
        async with served(api.respond) as server, await connect(tmp_path, server.url) as kube:
            rng = random.Random(1)  # noqa: S311 - spreads load only
            watches = DriftWatches(
                kube, Resources(kube), notify, audit=audit, clock=Clock.system(), rng=rng, times=QUICK
            )
            watches.follow(frozenset({target(), target("Secret")}))
            task = asyncio.create_task(watches.run())
            await until(lambda: {"two-tenant", "three-tenant"} <= set(reported))
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    assert [log["log_level"] for log in logs if log["event"] == "drift.watch_raised"] == ["error"]
