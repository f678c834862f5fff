from talkdesk_webhook.breaker import Breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(failures=3, pause=5)
    for _ in range(2):
        breaker.note(well=False, now=0)
    breaker.note(well=True, now=0)
    for _ in range(3):
        assert breaker.wait(1) == 0
        breaker.note(well=False, now=1)
    assert breaker.wait(1) == 5
    assert breaker.wait(4) == 2


def test_after_the_pause_one_attempt_is_let_through_and_decides() -> None:
    breaker = Breaker(failures=1, pause=5)
    breaker.note(well=False, now=0)
    assert (breaker.wait(5), breaker.wait(5)) == (0, 5)
    breaker.note(well=False, now=6)
    assert (breaker.wait(10), breaker.wait(11)) == (1, 0)
    breaker.note(well=True, now=12)
    assert [breaker.wait(12), breaker.wait(12)] == [0, 0]


def test_an_attempt_whose_outcome_nobody_noted_closes_nothing_for_ever() -> None:
    breaker = Breaker(failures=1, pause=5)
    breaker.note(well=False, now=0)
    assert breaker.wait(5) == 0
    assert breaker.wait(10) == 0
