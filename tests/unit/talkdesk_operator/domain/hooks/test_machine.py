"""What is sent to a partner's service next: single ways, and any answers of a service that keeps count."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.domain.hooks.machine import Call, Settled, Wanted, begun, next_call, settled
from talkdesk_operator.domain.hooks.protocol import Act, Done, Failed, InProgress, Later, Refused, Verdict, judge
from talkdesk_operator.domain.hooks.record import Existence, HookEntry, Result
from talkdesk_operator.domain.ports.hooks import Answer, Reply, Unanswered

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LIMIT = timedelta(hours=1)
A, B, NOTHING = Wanted("a"), Wanted("b"), Wanted("")
FRESH = HookEntry(novel=True)


def ask(entry: HookEntry, wanted: Wanted, *verdicts: Verdict, now: datetime = NOW) -> HookEntry:
    """Send what is due as often as there are verdicts."""
    for verdict in verdicts:
        due = next_call(entry, wanted, again=False)
        assert isinstance(due, Call), due
        entry = settled(entry, begun(entry, due, wanted), verdict, now, limit=LIMIT)
    return entry


@pytest.mark.case(64)
def test_a_tenant_is_provisioned_once_and_updated_when_something_else_is_wanted() -> None:
    made = ask(FRESH, A, Done({"url": "x"}))
    assert (made.exists, made.generation, made.act, made.outputs) == (Existence.YES, 1, Act.PROVISION, {"url": "x"})
    assert next_call(made, A, again=True) == Settled()
    changed = ask(made, B, Done())
    assert (changed.generation, changed.act, changed.outputs) == (2, Act.UPDATE, {})


@pytest.mark.case(64)
def test_the_same_request_keeps_its_generation_until_another_is_made() -> None:
    tried = ask(FRESH, A, Later("busy"), Later("busy", unknown=True), Later("busy"))
    assert (tried.generation, tried.exists) == (1, Existence.MAYBE)
    assert ask(tried, B, Later("busy")).generation == 2


LEFT, LEFT_OTHERWISE = Wanted("left", leaves=True), Wanted("left, facts erased", leaves=True)


@pytest.mark.case(64)
def test_a_service_is_told_once_that_the_customer_has_left() -> None:
    there = ask(FRESH, A, Done())
    assert next_call(there, LEFT, again=False) == Call(Act.UPDATE, poll=False)
    tried = ask(there, LEFT, Later("503"))
    assert next_call(tried, LEFT_OTHERWISE, again=False) == Call(Act.UPDATE, poll=False)
    told = ask(tried, LEFT, Done())
    assert next_call(told, LEFT_OTHERWISE, again=True) == Settled()
    assert next_call(told, A, again=False) == Call(Act.UPDATE, poll=False), "the customer is back"
    back = ask(told, A, Done())
    assert next_call(back, LEFT, again=False) == Call(Act.UPDATE, poll=False), "the customer has left again"


@pytest.mark.case(64)
def test_nothing_is_made_at_a_service_for_a_customer_who_has_left() -> None:
    assert next_call(FRESH, LEFT, again=True) == Settled()
    orphan = ask(FRESH, A, Failed("no answer in time", orphan=True))
    assert next_call(orphan, LEFT, again=False) == Call(Act.DELETE, poll=False)
    assert next_call(ask(orphan, LEFT, Done()), LEFT, again=False) == Settled()


@pytest.mark.case(64)
def test_nothing_is_left_where_nothing_was_made() -> None:
    assert ask(FRESH, A, Later("no connection")).exists is Existence.NO
    assert ask(FRESH, A, Refused("400")).exists is Existence.NO
    assert next_call(ask(FRESH, A, Refused("400")), NOTHING, again=False) == Settled()


@pytest.mark.case(64)
def test_what_may_have_been_made_is_deleted_when_nobody_wants_it() -> None:
    tried = ask(FRESH, A, Later("500", unknown=True))
    assert next_call(tried, NOTHING, again=False) == Call(Act.DELETE, poll=False)
    gone = ask(tried, NOTHING, Later("503"), Done())
    assert (gone.exists, gone.generation) == (Existence.NO, 2)
    assert next_call(gone, NOTHING, again=True) == Settled()


@pytest.mark.case(64)
def test_what_a_first_provisioning_without_an_answer_left_is_deleted_before_it_is_made_anew() -> None:
    lost = ask(FRESH, A, Failed("no answer in time", orphan=True))
    assert (lost.act, lost.result, lost.message) == (Act.DELETE, Result.FAILED, "no answer in time")
    again = ask(lost, A, Later("503", unknown=True), Done(), Done())
    assert (again.exists, again.act, again.generation) == (Existence.YES, Act.PROVISION, 3)


@pytest.mark.case(64)
def test_what_the_service_may_have_had_before_is_never_deleted_as_an_orphan() -> None:
    lost = ask(HookEntry(novel=False), A, Failed("no answer in time", orphan=True))
    assert lost.act is Act.UPDATE
    known = ask(ask(FRESH, A, Done()), B, Failed("failed", orphan=True))
    assert (known.act, known.exists) == (Act.UPDATE, Existence.YES)
    assert next_call(known, B, again=False) == Call(Act.UPDATE, poll=False)


@pytest.mark.case(64)
def test_a_refusal_is_final_until_something_else_is_wanted_or_somebody_asks() -> None:
    refused = ask(FRESH, A, Refused("400: no such plan"))
    assert next_call(refused, A, again=False) == Settled("400: no such plan")
    assert next_call(refused, A, again=True) == Call(Act.PROVISION, poll=False)
    assert next_call(refused, B, again=False) == Call(Act.PROVISION, poll=False)


@pytest.mark.case(64)
def test_an_operation_is_polled_until_it_ends_or_takes_too_long() -> None:
    at_it = ask(FRESH, A, InProgress("op"))
    assert (at_it.operation, at_it.polled_since) == ("op", NOW)
    assert next_call(at_it, A, again=False) == Call(Act.PROVISION, poll=True)
    later = ask(at_it, A, InProgress(None), Later("503"), now=NOW + LIMIT / 2)
    assert (later.operation, later.polled_since) == ("op", NOW)
    assert ask(later, A, Done()).polled_since is None
    for verdict in (InProgress(None), Later("503")):
        late = ask(later, A, verdict, now=NOW + LIMIT)
        assert (late.act, late.result) == (Act.DELETE, Result.FAILED)
    forgotten = ask(later, A, Later("404", unknown=True))
    assert next_call(forgotten, A, again=False) == Call(Act.PROVISION, poll=False)
    assert forgotten.generation == 1


@pytest.mark.case(64)
def test_a_deletion_that_was_begun_is_brought_to_its_end_before_the_tenant_is_made_again() -> None:
    going = ask(ask(FRESH, A, Done()), NOTHING, InProgress("del"))
    assert next_call(going, A, again=False) == Call(Act.DELETE, poll=True)
    back = ask(going, A, Done(), Done())
    assert (back.exists, back.act, back.generation) == (Existence.YES, Act.PROVISION, 3)
    refused = ask(ask(FRESH, A, Done()), NOTHING, Refused("405"))
    assert next_call(refused, NOTHING, again=False) == Settled("405")
    assert next_call(refused, NOTHING, again=True) == Call(Act.DELETE, poll=False)


@dataclass
class Service:
    """A partner's service that keeps what it did by key, and answers what it is told to."""

    has: str = ""
    """What it has of the tenant."""
    seen: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Method and content by generation."""

    def take(self, act: Act, generation: int, content: str, mood: int) -> Answer:
        """Do it, or not, and answer."""
        method = "DELETE" if act is Act.DELETE else "PUT"
        assert self.seen.setdefault(generation, (method, content)) == (method, content), "another request, the same key"
        moods: list[tuple[bool, Answer]] = [
            (True, Reply(200, {})),
            (True, Reply(500, {})),
            (False, Reply(500, {})),
            (True, Unanswered("cut", sent=True)),
            (False, Unanswered("cut", sent=True)),
            (False, Unanswered("down", sent=False)),
            (False, Reply(429, {})),
            (False, Reply(409, {})),
            (False, Reply(400, {})),
            (True, Reply(201, None)),
            (True, Reply(202, {"operation": "x"})),
            (True, Reply(204, {})),
            (True, Reply(200, {"outputs": 3})),
        ]
        does, answer = moods[mood % len(moods)]
        if does:
            self.has = "" if act is Act.DELETE else content
        return answer


@pytest.mark.case(64)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.integers(0, 12), st.booleans(), st.booleans()), max_size=25),
    st.sampled_from(["a", "b", ""]),
)
def test_after_any_answers_and_crashes_the_service_ends_with_what_is_wanted(
    history: list[tuple[str, int, bool, bool]], wanted: str
) -> None:
    """Each element: what is wanted then, how the service answers, whether the operator ends before it notes that."""
    service, stored = Service(), FRESH
    for target, mood, crashes, again in [*history, *[(wanted, 0, False, True)] * 8]:
        due = next_call(stored, Wanted(target), again=again)
        if isinstance(due, Settled):
            assert due.problem or service.has == target
            continue
        before, entry = stored, begun(stored, due, Wanted(target))
        stored = entry
        answer: Any
        if due.poll:
            answer = Reply(200, {"state": ("succeeded", "failed", "in progress")[mood % 3]})
        else:
            answer = service.take(due.act, entry.generation, target if due.act is not Act.DELETE else "", mood)
        if not crashes:
            stored = settled(before, entry, judge(entry.act or due.act, answer, polling=due.poll), NOW, limit=LIMIT)
            if stored.exists is Existence.NO:
                assert not service.has, "something is left that nobody knows of"
    assert service.has == wanted
    assert next_call(stored, Wanted(wanted), again=False) == Settled()
    assert stored.exists is (Existence.YES if wanted else Existence.NO)


def test_an_entry_says_nothing_of_secrets() -> None:
    entry = replace(FRESH, secrets={"password": "canary"}, settings={"a": "canary"}, inputs="canary")
    assert "canary" not in repr(entry)
