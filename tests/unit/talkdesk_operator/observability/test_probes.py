from datetime import timedelta

import httpx
import pytest

from builders.manual_clock import ManualClock
from talkdesk_operator.observability.probes import Health, JointHealth, Stage, probes_of
from talkdesk_operator.settings import Settings
from talkdesk_runtime.side_ports import serving_probes


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


def test_a_standby_whose_watches_show_nothing_is_not_ready_but_live_as_a_new_start_would_only_cost_its_cache() -> None:
    clock = ManualClock()
    it = health(clock)
    it.enter(Stage.STANDBY)
    clock.advance(90)
    assert it.not_ready() is None
    clock.advance(1)
    assert it.not_ready() == "no event of any watch for 91 s"
    assert it.not_live() is None
    it.record_event()
    assert it.not_ready() is None


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.LOADING, Stage.STOPPING])
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


async def test_the_probes_answer_with_a_status_and_the_reason() -> None:
    clock = ManualClock()
    it = health(clock)
    settings = Settings(probe_bind_address="127.0.0.1", probe_port=0)
    async with (
        serving_probes(probes_of(it), settings) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        assert (await http.get("/readyz")).status_code == 503
        it.enter(Stage.RUNNING)
        for path in ("/readyz", "/healthz"):
            answer = await http.get(path)
            assert (answer.status_code, answer.text) == (200, "running\n")
        clock.advance(100)
        answer = await http.get("/healthz")
        assert (answer.status_code, answer.text) == (503, "no event of any watch for 100 s\n")


def test_a_process_that_holds_shards_is_as_ready_and_as_live_as_each_of_them() -> None:
    clock = ManualClock()
    looks, one, other = health(clock), health(clock), health(clock)
    it = JointHealth(looks)
    assert (it.stage, it.not_ready()) == (Stage.STARTING, "starting")
    looks.enter(Stage.STANDBY)
    assert (it.stage, it.not_ready(), it.not_live()) == (Stage.STANDBY, None, None)
    with it.including(one), it.including(other):
        one.enter(Stage.RUNNING)
        other.enter(Stage.LOADING)
        other.blocker = "no right to list"
        assert (it.stage, it.not_ready()) == (Stage.LOADING, "loading: no right to list")
        other.enter(Stage.RUNNING)
        assert (it.stage, it.not_ready()) == (Stage.RUNNING, None)
        clock.advance(91)
        looks.record_event()
        other.record_event()
        assert (it.not_live(), it.event_age()) == ("no event of any watch for 91 s", 91)
        assert it.not_ready() is None
        one.enter(Stage.STOPPING)
        assert (it.stage, it.not_ready()) == (Stage.RUNNING, None), "it goes on with the other"
        other.enter(Stage.STOPPING)
        assert (it.stage, it.not_ready()) == (Stage.STANDBY, None), "it has given both up"
    looks.enter(Stage.STOPPING)
    assert (it.stage, it.not_ready()) == (Stage.STOPPING, "stopping")


def test_a_process_that_can_no_longer_look_at_the_leases_is_not_ready() -> None:
    clock = ManualClock()
    looks = health(clock)
    it = JointHealth(looks)
    looks.enter(Stage.STANDBY)
    clock.advance(91)
    assert (it.not_ready(), it.not_live()) == ("no event of any watch for 91 s", None)
