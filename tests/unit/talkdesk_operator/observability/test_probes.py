from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from builders.manual_clock import ManualClock
from talkdesk_operator.observability.probes import CannotListen, Health, Stage, serving


def health(clock: ManualClock, *, limit: int | None = 90) -> Health:
    return Health(clock=clock.time, max_event_age=None if limit is None else timedelta(seconds=limit))


@pytest.mark.parametrize(
    ("stage", "ready"),
    [
        (Stage.STARTING, False),
        (Stage.STANDBY, True),
        (Stage.LOADING, False),
        (Stage.RUNNING, True),
        (Stage.STOPPING, False),
    ],
)
def test_a_process_is_ready_when_it_works_and_when_it_stands_by(stage: Stage, *, ready: bool) -> None:
    it = health(ManualClock())
    it.enter(stage)
    assert (it.not_ready() is None) is ready


def test_the_reason_for_not_being_ready_is_reported_until_the_next_stage() -> None:
    it = health(ManualClock())
    it.enter(Stage.LOADING)
    it.blocker = "the CustomResourceDefinitions are not installed"
    assert it.not_ready() == "loading: the CustomResourceDefinitions are not installed"
    it.enter(Stage.STOPPING)
    assert it.not_ready() == "stopping"


def test_a_leader_is_not_live_when_the_last_event_of_its_watches_is_too_old() -> None:
    clock = ManualClock()
    it = health(clock)
    it.enter(Stage.RUNNING)
    clock.advance(90)
    assert it.not_live() is None
    clock.advance(1)
    assert it.not_live() == "no event of any watch for 91 s"
    it.record_event()
    assert it.not_live() is None
    assert it.event_age() == 0


@pytest.mark.parametrize("stage", [Stage.STANDBY, Stage.LOADING, Stage.STOPPING])
def test_a_process_without_watches_is_live_however_old_the_last_event_is(stage: Stage) -> None:
    clock = ManualClock()
    it = health(clock)
    it.enter(stage)
    clock.advance(10_000)
    assert it.not_live() is None
    assert it.event_age() == 0


def test_without_a_limit_the_age_of_the_last_event_does_not_matter() -> None:
    clock = ManualClock()
    it = health(clock, limit=None)
    it.enter(Stage.RUNNING)
    clock.advance(10_000)
    assert it.not_live() is None
    assert it.event_age() == 10_000


@pytest.fixture
async def client() -> AsyncIterator[tuple[httpx.AsyncClient, Health, ManualClock]]:
    clock = ManualClock()
    it = health(clock)
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc()
    async with (
        serving(it, registry, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        yield http, it, clock


async def test_the_probes_answer_with_a_status_and_the_reason(
    client: tuple[httpx.AsyncClient, Health, ManualClock],
) -> None:
    http, it, clock = client
    assert (await http.get("/readyz")).status_code == 503
    it.enter(Stage.RUNNING)
    for path in ("/readyz", "/healthz"):
        answer = await http.get(path)
        assert (answer.status_code, answer.text) == (200, "running\n")
    clock.advance(100)
    answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "no event of any watch for 100 s\n")


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
async def test_metrics_come_in_the_format_that_was_asked_for(
    accept: str, client: tuple[httpx.AsyncClient, Health, ManualClock]
) -> None:
    http, _, _ = client
    answer = await http.get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(accept.partition(";")[0])
    assert "things_total 1.0" in answer.text


async def test_a_port_that_is_taken_is_an_error() -> None:
    it = health(ManualClock())
    async with serving(it, CollectorRegistry(), host="127.0.0.1", port=0) as port:
        with pytest.raises(CannotListen, match=rf"127.0.0.1:{port}: .* in use"):
            async with serving(it, CollectorRegistry(), host="127.0.0.1", port=port):
                pass
