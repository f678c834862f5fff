"""A reflector over a scripted API, by a clock that stands still: what it asks for, reports, and how long it waits."""

import asyncio
import random
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from builders.kube_streams import KubeStreamsInMemory, Request, Step, Stream, event, page, thing
from builders.manual_clock import ManualClock
from talkdesk_runtime.kube_errors import (
    KubeError,
    KubeExpired,
    KubeForbidden,
    KubeNoPath,
    KubeOverloaded,
    KubeRefused,
    KubeUnreachable,
)
from talkdesk_runtime.reflector import Collected, Reflector, WatchTimes

PATH = "/api/v1/gadgets"


@dataclass
class Recorder:
    """A sink that remembers what it got, in words."""

    got: list[str] = field(default_factory=list)
    heard_of: int = 0

    def present(self, raw: Mapping[str, Any], /) -> None:
        self.got.append(f"present {raw['metadata']['name']} {raw['metadata']['resourceVersion']}")

    def deleted(self, raw: Mapping[str, Any], /) -> None:
        self.got.append(f"deleted {raw['metadata']['name']}")

    def listed(self, uids: Collection[str], version: str, /) -> None:
        self.got.append(f"listed {','.join(sorted(uids))} at {version}")

    def heard(self) -> None:
        self.heard_of += 1

    def failed(self, error: KubeError, failures: int, /) -> None:
        self.got.append(f"failed {error} {failures}")


@dataclass
class Played:
    """What came of a script."""

    got: list[str]
    heard_of: int
    requests: list[Request]
    sleeps: list[float]

    @property
    def asked(self) -> list[str]:
        """The requests: `list`, or the version that a stream began with."""
        return [each.query["resourceVersion"] if each.is_stream else "list" for each in self.requests]


async def play(
    *script: Step,
    times: WatchTimes | None = None,
    path: Any = None,
    collected: Collected | None = None,
    present: str = "1000000",
) -> Played:
    """Run a reflector until the end of the script, against an API server that is at the `present` version."""
    clock, sink = ManualClock(), Recorder()
    kube = KubeStreamsInMemory(list(script), clock, present=present)

    async def fixed_path() -> str:
        return PATH

    collected = collected or Collected(
        path=path or fixed_path,
        label_selector="mine=yes",
        accept_list="a list",
        accept_stream="a stream",
        as_user="somebody",
    )
    rng = random.Random(1)  # noqa: S311 - a test
    reflector = Reflector(kube, collected, sink, clock=clock.runtime_clock(), rng=rng, times=times or WatchTimes())
    running = asyncio.ensure_future(reflector.run())
    played = asyncio.ensure_future(kube.played.wait())
    try:
        await asyncio.wait((running, played), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, played):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
    return Played(sink.got, sink.heard_of, kube.requests, clock.sleeps)


async def test_it_lists_all_pages_and_streams_from_the_version_of_the_listing() -> None:
    played = await play(page(7, thing("a", 3), more="next"), page(7, thing("b", 5)))
    assert played.got == ["present a 3", "present b 5", "listed a,b at 7"]
    first, second, stream = played.requests
    assert first == Request(PATH, {"labelSelector": "mine=yes", "limit": "500"}, "a list", "somebody")
    assert second.query == {"labelSelector": "mine=yes", "limit": "500", "continue": "next"}
    assert 300 <= int(stream.query["timeoutSeconds"]) <= 600
    assert {name: value for name, value in stream.query.items() if name != "timeoutSeconds"} == {
        "labelSelector": "mine=yes",
        "resourceVersion": "7",
        "allowWatchBookmarks": "true",
    }
    assert (stream.accept, stream.as_user, stream.idle) == ("a stream", "somebody", timedelta(minutes=3))


@pytest.mark.case(48)
@pytest.mark.parametrize("end", [Stream(), Stream(error=KubeUnreachable("cut"))])
async def test_a_stream_that_would_go_on_from_a_version_that_a_restored_etcd_has_not_reached_is_a_listing(
    end: Stream,
) -> None:
    """The API server takes such a watch, and shows nothing until it has counted beyond that version."""
    played = await play(page(70, thing("a", 3)), end, page(50, thing("a", 2)), Stream(), present="50")
    assert played.asked[:4] == ["list", "70", "list", "50"]
    assert [each for each in played.got if each.startswith("listed")] == ["listed a at 70", "listed a at 50"]


@pytest.mark.parametrize("present", ["70", "71", "", "not a number"])
async def test_a_stream_goes_on_from_a_version_that_the_api_server_has_reached(present: str) -> None:
    played = await play(page(70), Stream(), Stream(), present=present)
    assert played.asked == ["list", "70", "70", "70"]


async def test_events_are_reported_and_a_bookmark_only_moves_the_version() -> None:
    events = (
        event("ADDED", thing("a", 8)),
        event("MODIFIED", thing("a", 9)),
        event("DELETED", thing("a", 10)),
        event("SOMETHING NEW", thing("b", 11)),
        event("BOOKMARK", {"metadata": {"resourceVersion": "12"}}),
    )
    played = await play(page(7), Stream(events))
    assert played.got == ["listed  at 7", "present a 8", "present a 9", "deleted a"]
    assert played.asked == ["list", "7", "12"]


@pytest.mark.parametrize("strange", [{}, {"metadata": None}, {"metadata": {"resourceVersion": ""}}])
async def test_an_event_without_a_version_keeps_the_version_before(strange: dict[str, Any]) -> None:
    played = await play(page(7), Stream((event("BOOKMARK", strange),)))
    assert played.asked == ["list", "7", "7"]


@pytest.mark.parametrize("error", [None, KubeUnreachable("cut"), KubeOverloaded("busy", None)], ids=str)
async def test_a_stream_that_ended_or_was_cut_goes_on_from_its_last_version(error: KubeError | None) -> None:
    played = await play(page(7), Stream((event("ADDED", thing("a", 9)),), error))
    assert played.asked == ["list", "7", "9"]
    assert [line for line in played.got if line.startswith("failed")] == (
        [] if error is None else [f"failed {error} 1"]
    )


@pytest.mark.parametrize("error", [KubeRefused("no sense"), KubeForbidden("no right"), KubeNoPath("no kind")], ids=str)
async def test_after_a_refusal_it_lists_again(error: KubeError) -> None:
    played = await play(page(7), Stream((event("ADDED", thing("a", 9)),), error))
    assert played.asked == ["list", "7", "list"]
    assert played.got[-1] == f"failed {error} 1"


@pytest.mark.parametrize(
    "script",
    [
        (page(7), KubeExpired("gone")),
        (page(7), Stream(error=KubeExpired("gone"))),
        (page(7, more="next"), KubeExpired("gone")),
    ],
    ids=["at the start of a stream", "in a stream", "between two pages"],
)
async def test_after_an_expired_version_it_lists_again_and_reports_no_failure(script: tuple[Step, ...]) -> None:
    played = await play(*script, page(20, thing("a", 15)))
    assert played.asked[-2:] == ["list", "20"]
    assert played.got[-2:] == ["present a 15", "listed a at 20"]
    assert not [line for line in played.got if line.startswith("failed")]


async def test_bookmarks_are_heard_like_everything_else() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "12"}})
    played = await play(page(7), Stream((event("ADDED", thing("a", 9)), bookmark)))
    assert (played.heard_of, played.asked) == (2, ["list", "7", "12"])


async def test_all_objects_are_read_in_our_own_name_where_nothing_else_is_said() -> None:
    async def path() -> str:
        return PATH

    first, stream = (await play(page(7), collected=Collected(path=path, page_size=20))).requests
    assert first == Request(PATH, {"limit": "20"}, "application/json", None)
    assert (stream.accept, stream.as_user) == ("application/json", None)
    assert "labelSelector" not in stream.query


async def test_a_listing_that_broke_off_is_not_reported_as_complete() -> None:
    played = await play(page(7, thing("a", 3), more="next"), KubeUnreachable("cut"), page(8, thing("b", 4)))
    assert played.got == ["present a 3", "failed cut 1", "present b 4", "listed b at 8"]


async def test_a_listing_without_a_version_is_a_failure() -> None:
    played = await play({"items": []}, page(7))
    assert played.got[0].startswith("failed the API server sent a listing without a resourceVersion")
    assert played.asked == ["list", "list", "7"]


async def test_failures_in_a_row_double_the_delay_and_half_of_each_is_chance() -> None:
    played = await play(*(KubeUnreachable("away") for _ in range(8)))
    full = [1, 2, 4, 8, 16, 30, 30, 30]
    assert all(whole / 2 <= slept <= whole for slept, whole in zip(played.sleeps, full, strict=True))
    assert [int(line.rpartition(" ")[2]) for line in played.got] == list(range(1, 9))


async def test_what_does_not_pass_by_itself_is_tried_every_ten_minutes_in_the_end() -> None:
    played = await play(*(KubeForbidden("no right") for _ in range(14)))
    assert 300 <= min(played.sleeps[-3:]) <= max(played.sleeps[-3:]) <= 600


async def test_after_a_watch_that_lasted_the_count_of_failures_begins_anew() -> None:
    failures = [KubeUnreachable("away")] * 5
    lasting = Stream(lasts=60, error=KubeUnreachable("cut"))
    played = await play(*failures, page(7), lasting, KubeUnreachable("away"))
    assert [int(line.rpartition(" ")[2]) for line in played.got if line.startswith("failed")] == [1, 2, 3, 4, 5, 0, 1]
    assert played.sleeps[5] <= 0.5


async def test_a_server_that_asks_for_a_longer_delay_gets_it() -> None:
    played = await play(KubeOverloaded("busy", timedelta(seconds=17)))
    assert played.sleeps == [17]


async def test_the_path_is_asked_for_at_each_attempt_because_a_kind_may_come_later() -> None:
    paths: list[str | KubeError] = [KubeRefused("no such kind"), "/apis/late/v1/gadgets", "/apis/late/v2/gadgets"]

    async def path() -> str:
        found = paths.pop(0)
        if isinstance(found, KubeError):
            raise found
        return found

    played = await play(page(7), path=path)
    assert [request.path for request in played.requests] == ["/apis/late/v1/gadgets", "/apis/late/v2/gadgets"]
    assert played.got == ["failed no such kind 1", "listed  at 7"]


async def test_what_the_sink_raises_ends_the_reflector() -> None:
    with pytest.raises(KeyError, match="metadata"):
        await play(page(7), Stream((event("ADDED", {}),)))


@pytest.mark.parametrize(
    ("failures", "error", "least", "most"),
    [
        (0, None, 0.25, 0.5),
        (1, None, 0.5, 1),
        (1, KubeUnreachable("x"), 0.5, 1),
        (3, KubeUnreachable("x"), 2, 4),
        (9, KubeUnreachable("x"), 15, 30),
        (9, None, 15, 30),
        (3, KubeForbidden("x"), 2, 4),
        (99_999, KubeForbidden("x"), 300, 600),
        (99_999, KubeNoPath("x"), 300, 600),
        (1, KubeOverloaded("x", timedelta(seconds=7)), 7, 7),
        (9, KubeOverloaded("x", timedelta(seconds=1)), 15, 30),
    ],
)
def test_delays_double_up_to_a_bound_and_half_of_each_is_chance(
    failures: int, error: KubeError | None, least: float, most: float
) -> None:
    rng = random.Random(1)  # noqa: S311 - spreads load only
    delays = [WatchTimes().delay(failures, error, rng.random()) for _ in range(200)]
    assert least <= min(delays) <= max(delays) <= most
    assert len(set(delays)) > 1 or least == most
