import pytest

from builders.ports import clock_of
from builders.scripted_kube import ScriptedKube
from talkdesk_runtime.kube_errors import KubeUnreachable
from talkdesk_webhook.readiness import Readiness

AWAY = KubeUnreachable("away")


async def test_it_is_ready_when_the_api_server_answers_and_probes_seldom() -> None:
    kube = ScriptedKube({"gitVersion": "v1"})
    readiness = Readiness(kube)
    assert [await readiness.not_ready(), await readiness.not_ready()] == [None, None]
    assert kube.requests == ["GET /version"]


@pytest.mark.case(10)
async def test_it_is_not_ready_before_the_first_response() -> None:
    assert await Readiness(ScriptedKube(AWAY)).not_ready() == "the API server can't be reached"


@pytest.mark.case(10)
async def test_only_a_long_outage_makes_it_not_ready() -> None:
    now = [0.0]
    readiness = Readiness(ScriptedKube({}, AWAY, AWAY, AWAY, {}), clock=clock_of(lambda: now[0]))
    seen = []
    for now[0] in (0, 3, 9, 15, 17):
        seen.append(await readiness.not_ready() is None)
    assert seen == [True, True, True, False, True]


async def test_it_is_not_ready_while_the_port_for_events_takes_none_whatever_the_api_server_answers() -> None:
    obstacles: list[str | None] = ["not listening for events", None, "shutting down"]
    readiness = Readiness(ScriptedKube({}), lambda: obstacles[0])
    seen = []
    while obstacles:
        seen.append(await readiness.not_ready())
        obstacles.pop(0)
    assert seen == ["not listening for events", None, "shutting down"]
