"""The parts of the torture that need no cluster: points, plans, and telling two ends apart."""

import pytest

from torture.names import action_of, replaced
from torture.plan import everything, lives, matching, sample
from torture.play import differences
from torture.points import WATCHES, Blow, Disturbance, Kind, Point
from torture.track import Track

WRITE = Point("an upgrade", "operator", "kubernetes", "PATCH talkdesktenants/RECORD/status", 2)
READ = Point("an upgrade", "operator", "talkdesk", "GET /account")
CALL = Point("a purge", "operator", "hook", "DELETE /v1/tenants/RECORD")
EVENT = Point("an install on trial", "webhook", "watch", "MODIFIED talkdeskapps/APP")


@pytest.mark.parametrize("point", [WRITE, READ, EVENT], ids=str)
def test_a_disturbance_is_read_as_it_was_written(point: Point) -> None:
    for kind in Kind:
        disturbance = Disturbance(kind, point)
        assert Disturbance.parse(str(disturbance)) == disturbance


def test_what_is_no_point_is_refused() -> None:
    with pytest.raises(ValueError, match="no point"):
        Disturbance.parse("409 at the end")


def test_every_request_has_every_disturbance_and_every_event_comes_late_and_gets_lost() -> None:
    of_a_request = {*Kind} - WATCHES
    for point in (WRITE, READ):
        assert {each.kind for each in everything([point])} == of_a_request - {Kind.CONCURRENCY}
    assert {each.kind for each in everything([CALL])} == of_a_request
    assert {each.kind for each in everything([EVENT])} == {Kind.LATE_EVENT, Kind.LOST_EVENT}


def test_a_sample_has_each_sort_of_point_and_spreads_it_over_the_steps() -> None:
    again = Point("a purge", "operator", "kubernetes", "PATCH talkdesktenants/RECORD/status")
    chosen = sample([WRITE, READ, EVENT, again])
    assert {each.point.sort for each in chosen} == {point.sort for point in (WRITE, READ, EVENT)}
    assert {each.kind for each in chosen if each.point == READ} == {Kind.LOST_ANSWER}
    assert {each.point for each in chosen if each.kind is Kind.LOST_ANSWER} == {READ, again}


def test_a_life_has_one_disturbance_in_a_step_and_a_batch_one_blow_in_it() -> None:
    wanted = everything([WRITE, READ, EVENT])
    batches = list(lives(wanted, ["an install on trial", "an upgrade"], size=3))
    played = [each for plans in batches for plan in plans for each in plan.values()]
    assert sorted(played) == sorted(wanted)
    for plans in batches:
        assert len(plans) <= 3
        for step in ("an install on trial", "an upgrade"):
            assert len({plan[step].blow for plan in plans if step in plan}) <= 1


def test_a_kill_falls_on_the_program_that_asked() -> None:
    assert Disturbance(Kind.KILL_AFTER, WRITE).blow is Blow.KILL_OPERATOR
    assert Disturbance(Kind.KILL_BEFORE, EVENT).blow is Blow.KILL_WEBHOOK
    assert Disturbance(Kind.LOST_EVENT, EVENT).blow is Blow.EXPIRE
    assert Disturbance(Kind.LATE_EVENT, EVENT).blow is None


def test_a_pattern_chooses_disturbances_by_their_text() -> None:
    wanted = everything([WRITE, READ])
    assert matching(wanted, [str(wanted[0])]) == [wanted[0]]
    assert {each.point for each in matching(wanted, ["kill-* at operator kubernetes:*"])} == {WRITE}


def test_a_point_is_met_once_and_disturbed_once() -> None:
    disturbance = Disturbance(Kind.KILL_AFTER, Point("a step", "operator", "kubernetes", "PATCH pods/a", 2))
    track = Track("t0000000", tuple, {"a step": disturbance})
    track.begin("a step")
    path = "/api/v1/namespaces/x/pods/a"
    kinds = [track.meet("operator", "kubernetes", f"PATCH {path.replace('namespaces/x/', '')}") for _ in range(3)]
    assert kinds == [None, Kind.KILL_AFTER, None]
    assert track.waits
    track.struck.set()
    assert not track.waits


def test_names_ids_and_times_are_replaced_by_words() -> None:
    names = [("td-team-t0000000c", "TENANT"), ("t0000000", "APP"), ("team", "NS")]
    assert action_of("PATCH /api/v1/namespaces/td-team-t0000000c/secrets/talkdesk", names) == (
        "PATCH TENANT/secrets/talkdesk"
    )
    assert action_of("POST /api/v1/namespaces/team/secrets", names) == "POST secrets"
    assert action_of("DELETE /api/v1/namespaces/team/secrets/t0000000-0123456789abcdef", names) == (
        "DELETE secrets/APP-HASH"
    )
    assert replaced({"at": "2026-01-02T03:04:05.678Z", "app": "t0000000"}, names) == {"at": "TIME", "app": "APP"}


def test_a_difference_is_said_with_its_place() -> None:
    wanted = {"talkdesk": [{"answers": ["approve:completed"]}], "users": []}
    assert list(differences(wanted, wanted)) == []
    twice = {"talkdesk": [{"answers": ["approve:completed", "approve:completed"]}], "users": []}
    (found,) = differences(wanted, twice)
    assert found.startswith("talkdesk[0].answers: ['approve:completed', 'approve:completed'] instead of")
