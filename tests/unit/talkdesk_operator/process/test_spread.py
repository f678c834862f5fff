from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_operator.process.spread import Seen, to_ask_for, to_give_up, to_take

PERIOD = 2.0


def leases(*holders: str, free_for: float = 0.0, wanted: dict[int, str] | None = None) -> list[Seen]:
    return [
        Seen(index, holder, 0.0 if holder else free_for, (wanted or {}).get(index, ""))
        for index, holder in enumerate(holders)
    ]


@pytest.mark.parametrize(
    ("held", "free_for", "taken"),
    [(0, 0, 1), (0, 2, 2), (1, 0, 0), (1, 2, 1), (2, 3.9, 0), (2, 4, 1), (4, 8, 3), (9, 8, 3), (9, 7.9, 0)],
)
def test_who_holds_more_waits_longer_before_it_takes_another(held: int, free_for: float, taken: int) -> None:
    assert len(to_take("me", leases(*["me"] * held, "", "", "", free_for=free_for), PERIOD)) == taken


def test_a_shard_that_somebody_asked_for_is_kept_for_them_for_a_while() -> None:
    def free(free_for: float, by: str) -> list[int]:
        return to_take("me", leases("me", "me", "", free_for=free_for, wanted={2: by}), PERIOD)

    assert free(0, "me") == [2]
    assert free(9.9, "another") == []
    assert free(10, "another") == [2], "whoever asked for it may be dead"


@pytest.mark.parametrize(
    ("holders", "wanted", "asked"),
    [
        (["a", "a", "me"], {}, None),
        (["a", "a", "a", "me"], {}, 2),
        (["a", "a"], {}, 1),
        (["a", "a", "b"], {}, 1),
        (["a", "a", ""], {}, None),
        (["a", "a", "a", "a"], {3: "me"}, None),
        (["a", "a", "a", "a"], {3: "b"}, 2),
        (["a", "a"], {1: "b"}, None),
        (["b", "a", "a", "a"], {}, 3),
        (["me", "me", "a"], {}, None),
        (["a"], {}, None),
    ],
)
def test_who_holds_at_least_two_fewer_asks_for_one_unless_something_is_under_way(
    holders: list[str], wanted: dict[int, str], asked: int | None
) -> None:
    assert to_ask_for("me", leases(*holders, wanted=wanted)) == asked


def test_one_shard_is_given_up_at_a_time_and_none_that_is_somebody_elses() -> None:
    assert to_give_up("me", leases("a", "me", "me", wanted={0: "b", 1: "b", 2: "b"})) == 1
    assert to_give_up("me", leases("a", "me", wanted={0: "b", 1: "me"})) is None


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=64), st.integers(1, 5))
def test_asking_and_giving_comes_to_an_end_with_the_shards_divided_fairly(holders: list[str], replicas: int) -> None:
    names = sorted({*holders, *"abcde"[:replicas]})
    for _ in range(len(holders) * 5):
        asked = [(name, to_ask_for(name, leases(*holders))) for name in names]
        moves = [(name, index) for name, index in asked if index is not None]
        if not moves:
            break
        name, index = moves[0]
        holders[index] = name
    counts = Counter(holders)
    held = [counts[name] for name in names]
    # The first shard stays where it is, so whoever has it and nothing else can give none.
    assert max(held) - min(held) <= 1
