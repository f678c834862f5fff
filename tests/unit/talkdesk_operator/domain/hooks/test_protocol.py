"""What a response of a partner's service means."""

from datetime import timedelta
from typing import Any

import pytest

from talkdesk_operator.domain.hooks.protocol import (
    MAX_OUTPUT_BYTES,
    Act,
    Done,
    Failed,
    InProgress,
    Later,
    Refused,
    Verdict,
    judge,
)
from talkdesk_operator.domain.ports.hooks import Reply, Unanswered

WAIT = timedelta(seconds=7)
EVERY = tuple(Act)
PUTS = (Act.PROVISION, Act.UPDATE)


def reply(status: int, content: dict[str, Any] | None = None, **more: Any) -> Reply:
    return Reply(status, {} if content is None else content, **more)


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("act", PUTS)
def test_a_success_brings_outputs(act: Act, status: int) -> None:
    answered = reply(status, {"outputs": {"url": "https://x", "size": 3}, "secrets": {"password": "p"}})
    assert judge(act, answered) == Done({"url": "https://x", "size": 3}, {"password": "p"})
    assert judge(act, reply(status)) == Done()


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [200, 201, 204, 404, 410])
def test_what_is_not_there_is_deleted(status: int) -> None:
    assert judge(Act.DELETE, reply(status)) == Done()
    assert judge(Act.DELETE, Reply(status, None, problem="is no JSON")) == Done()


@pytest.mark.case(64)
@pytest.mark.parametrize("act", EVERY)
def test_a_202_is_polled(act: Act) -> None:
    asked = reply(202, {"operation": "op 1", "description": "making \n it"}, retry_after=WAIT)
    assert judge(act, asked) == InProgress("op 1", WAIT, "making it")
    assert judge(act, reply(202)) == InProgress(None)


@pytest.mark.case(64)
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 599, 100])
@pytest.mark.parametrize("polling", [False, True])
@pytest.mark.parametrize("act", EVERY)
def test_what_passes_is_asked_again(act: Act, status: int, polling: bool) -> None:  # noqa: FBT001
    verdict = judge(act, reply(status, {"description": "busy"}, retry_after=WAIT), polling=polling)
    assert verdict == Later(f"{status}: busy", WAIT, unknown=status >= 500 and not polling)


@pytest.mark.case(64)
@pytest.mark.parametrize("act", EVERY)
def test_a_422_is_asked_again_only_where_something_else_is_under_way(act: Act) -> None:
    assert judge(act, reply(422, {"error": "ConcurrencyError"})) == Later("422")
    assert judge(act, reply(422, {"error": "RequiresApp"})) == Refused("422")


@pytest.mark.case(64)
@pytest.mark.parametrize("act", EVERY)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 405, 406, 411, 413, 415, 421, 451])
def test_any_other_4xx_is_final(act: Act, status: int) -> None:
    assert judge(act, reply(status, {"description": "no"})) == Refused(f"{status}: no")


@pytest.mark.case(64)
@pytest.mark.parametrize("act", EVERY)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed(act: Act, status: int) -> None:
    verdict = judge(act, reply(status))
    assert isinstance(verdict, Refused)
    assert "redirect" in verdict.message


MALFORMED = (
    Reply(200, None, problem="is no JSON"),
    reply(200, {"outputs": []}),
    reply(200, {"secrets": {"a": 1}}),
    reply(200, {"outputs": {"a": {}}}),
    reply(200, {"outputs": {"a": None}}),
    reply(200, {"outputs": {f"a{number}": 1 for number in range(65)}}),
    reply(200, {"outputs": {"a": "x" * MAX_OUTPUT_BYTES}}),
)


@pytest.mark.case(64)
@pytest.mark.parametrize("answer", MALFORMED)
def test_the_table_of_orphans_for_answers_that_cannot_be_read(answer: Reply) -> None:
    """The rows of the specification's table: 200 no, 201 and 202 of a provisioning yes, of an update no."""
    made = Reply(201, answer.content, problem=answer.problem)
    assert _orphan(judge(Act.PROVISION, answer)) is False
    assert _orphan(judge(Act.PROVISION, made)) is True
    assert _orphan(judge(Act.UPDATE, made)) is False


@pytest.mark.case(64)
@pytest.mark.parametrize("content", [None, {"operation": 3}, {"operation": "x" * 10_001}])
def test_a_202_that_cannot_be_read_may_leave_an_orphan(content: dict[str, Any] | None) -> None:
    answer = Reply(202, content)
    assert _orphan(judge(Act.PROVISION, answer)) is True
    assert _orphan(judge(Act.UPDATE, answer)) is False


@pytest.mark.case(64)
def test_the_table_of_orphans_for_other_answers() -> None:
    for status in (203, 204, 206, 299):
        assert _orphan(judge(Act.PROVISION, reply(status))) is True
        assert _orphan(judge(Act.UPDATE, reply(status))) is False
    failed = reply(200, {"state": "failed", "description": "no room"})
    assert judge(Act.PROVISION, failed, polling=True) == Failed("no room", orphan=True)
    assert judge(Act.DELETE, failed, polling=True) == Failed("no room", orphan=True)
    assert judge(Act.UPDATE, failed, polling=True) == Failed("no room", orphan=False)
    unsaid = judge(Act.UPDATE, reply(200, {"state": "failed"}), polling=True)
    assert unsaid == Failed("the service says that it failed, and not why", orphan=False)


@pytest.mark.case(64)
def test_without_a_response_only_a_first_provisioning_may_leave_an_orphan() -> None:
    cut = Unanswered("no answer in time", sent=True)
    assert judge(Act.PROVISION, cut) == Failed("no answer in time", orphan=True)
    assert judge(Act.UPDATE, cut) == Later("no answer in time", unknown=True)
    assert judge(Act.DELETE, cut) == Later("no answer in time", unknown=True)
    assert judge(Act.PROVISION, cut, polling=True) == Later("no answer in time")
    down = Unanswered("no connection", sent=False, retry_after=WAIT)
    assert judge(Act.PROVISION, down) == Later("no connection", WAIT)


@pytest.mark.case(64)
def test_what_last_operation_says() -> None:
    going = reply(200, {"state": "in progress"}, retry_after=WAIT)
    assert judge(Act.UPDATE, going, polling=True) == InProgress(None, WAIT)
    done = reply(200, {"state": "succeeded", "outputs": {"a": True}})
    assert judge(Act.PROVISION, done, polling=True) == Done({"a": True})
    assert judge(Act.DELETE, done, polling=True) == Done()
    broken = reply(200, {"state": "succeeded", "outputs": 3})
    assert _orphan(judge(Act.PROVISION, broken, polling=True)) is False
    for status in (404, 410):
        assert judge(Act.DELETE, reply(status), polling=True) == Done()
        assert judge(Act.UPDATE, reply(status), polling=True) == Later(
            "the service knows no operation for this tenant (last_operation: 404 or 410)", unknown=True
        )
    for strange in ({}, {"state": "done"}, {"state": 3}):
        assert isinstance(judge(Act.UPDATE, reply(200, strange), polling=True), Later)
    assert isinstance(judge(Act.UPDATE, Reply(200, None), polling=True), Later)


@pytest.mark.parametrize("status", [201, 202, 204])
def test_another_2xx_to_last_operation_says_nothing_and_is_asked_again(status: int) -> None:
    verdict = judge(Act.PROVISION, reply(status, {}, retry_after=WAIT), polling=True)
    assert isinstance(verdict, Later)
    assert (str(status) in verdict.message, verdict.unknown) == (True, False)


def test_words_of_the_service_are_one_short_line() -> None:
    verdict = judge(Act.UPDATE, reply(400, {"description": "a\nb" * 1000}))
    assert isinstance(verdict, Refused)
    assert "\n" not in verdict.message
    assert len(verdict.message) < 600
    assert judge(Act.UPDATE, reply(400, {"description": {"a": 1}})) == Refused("400")


def _orphan(verdict: Verdict) -> bool:
    assert isinstance(verdict, Failed), verdict
    return verdict.orphan
