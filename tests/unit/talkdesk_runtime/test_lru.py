"""The bounded map."""

from talkdesk_runtime.lru import LruMap


def filled() -> LruMap[str, int]:
    values: LruMap[str, int] = LruMap(2)
    values.put("a", 1)
    values.put("b", 2)
    return values


def test_the_entry_used_the_longest_time_ago_is_dropped() -> None:
    values = filled()
    assert values.get("a") == 1
    values.put("c", 3)
    assert list(values) == ["a", "c"]
    assert "b" not in values
    assert len(values) == 2


def test_a_peek_does_not_count_as_use() -> None:
    values = filled()
    assert values.peek("a") == 1
    values.put("c", 3)
    assert values.get("a") is None
    assert list(values.values()) == [2, 3]


def test_a_value_that_is_replaced_counts_as_used() -> None:
    values = filled()
    values.put("a", 9)
    values.put("c", 3)
    assert values.get("a") == 9


def test_a_removed_entry_is_returned_once() -> None:
    values = filled()
    assert values.pop("a") == 1
    assert values.pop("a") is None
