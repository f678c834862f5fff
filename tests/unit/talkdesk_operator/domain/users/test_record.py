from dataclasses import replace

from talkdesk_operator.domain.ports.scim import Ref
from talkdesk_operator.domain.users.record import CAPACITY, Piece, RecordedUser, UserRecord

HERE = "service-1"


def known(number: int = 1) -> RecordedUser:
    return RecordedUser(Ref(f"p{number}"), sent="s", active=True)


def filled(count: int) -> UserRecord:
    record = UserRecord(HERE, "salt")
    for number in range(count):
        record.put(f"u{number}", known(number))
    return record


def test_a_new_record_is_empty_and_needs_no_saving() -> None:
    record = UserRecord(HERE, "salt")
    assert len(record) == 0
    assert record.get("u1") is None
    assert record.changed() == {}
    assert list(record.items()) == []


def test_only_pieces_that_changed_are_to_be_saved() -> None:
    record = filled(CAPACITY + 1)
    assert sorted(record.changed()) == [0, 1]
    record.mark_saved()
    assert record.changed() == {}
    record.put("u0", known(0))
    assert record.changed() == {}, "the same again"
    record.put("u0", known(7))
    record.put("new", known())
    assert {number: len(piece.users) for number, piece in record.changed().items()} == {0: CAPACITY, 1: 2}


def test_a_record_that_is_loaded_again_is_the_same() -> None:
    before = filled(3)
    again = UserRecord(HERE, "another salt", list(before.changed().values()))
    assert dict(again.items()) == dict(before.items())
    assert again.salt == "salt"
    assert again.changed() == {}


def test_a_record_of_another_service_without_anybody_active_is_ignored_and_overwritten() -> None:
    record = UserRecord(HERE, "new salt", [Piece("service-2", "old salt", {"u1": RecordedUser(Ref("p1"))})])
    assert (record.get("u1"), record.active_elsewhere) == (None, 0)
    assert record.salt == "new salt"
    assert record.changed() == {0: Piece(HERE, "new salt", {})}


def test_a_record_of_another_service_with_somebody_active_is_kept_and_continued() -> None:
    theirs = Piece("service-2", "old salt", {"u1": known()})
    record = UserRecord(HERE, "new salt", [theirs])
    assert (record.get("u1"), record.active_elsewhere, record.changed()) == (None, 1, {})
    record.put("u1", known(7))
    kept = {0: replace(theirs, continued=True), 1: Piece(HERE, "new salt", {"u1": known(7)})}
    assert record.changed() == kept
    again = UserRecord(HERE, "another salt", list(kept.values()))
    again.put("u2", known())
    assert list(again.changed()) == [1]
    back = UserRecord("service-2", "another salt", list(kept.values()))
    assert (dict(back.items()), back.active_elsewhere) == ({"u1": known()}, 1)
    back.put("u1", RecordedUser(None))
    assert back.changed()[0].continued
    forgotten = UserRecord(HERE, "x", list(kept.values()), forget_elsewhere=True)
    assert (forgotten.active_elsewhere, list(forgotten.changed())) == (0, [0])


def test_a_user_never_moves_to_another_piece() -> None:
    record = filled(CAPACITY + 1)
    record.mark_saved()
    record.put("u5", RecordedUser(None, failed_before=True))
    assert list(record.changed()) == [0]


def test_neither_the_salt_nor_anything_personal_is_in_a_repr() -> None:
    assert "canary" not in repr(Piece(HERE, "canary", {}))


def test_a_user_of_the_service_belongs_to_whoever_got_it_last() -> None:
    first = Piece("s", "salt", {"a": RecordedUser(Ref("p1"), "sent", active=True), "b": RecordedUser(None)})
    record = UserRecord("s", "salt", [first])
    record.put("b", RecordedUser(Ref("p1", "v2"), "other", active=True))
    assert record.get("a") == RecordedUser(None)
    record.put("b", RecordedUser(Ref("p1", "v3"), "other", active=True))
    record.put("c", RecordedUser(Ref("p1")))
    assert record.get("b") == RecordedUser(None)
    assert dict(record.changed()[0].users)["c"] == RecordedUser(Ref("p1"))


def test_nobody_loses_a_user_for_one_that_was_theirs_before() -> None:
    record = UserRecord("s", "salt")
    record.put("a", RecordedUser(Ref("p1"), active=True))
    record.put("a", RecordedUser(Ref("p2"), "sent", active=True))
    record.put("b", RecordedUser(Ref("p1"), active=True))
    assert record.get("a") == RecordedUser(Ref("p2"), "sent", active=True)
    record.put("c", RecordedUser(Ref("p2"), active=True))
    assert record.get("a") == RecordedUser(None)
    record.put("a", RecordedUser(Ref("p1"), active=True))
    assert (record.get("b"), record.get("c")) == (RecordedUser(None), RecordedUser(Ref("p2"), active=True))


def test_a_user_who_is_not_known_at_the_service_any_more_is_nobody_elses() -> None:
    record = UserRecord("s", "salt")
    record.put("a", RecordedUser(Ref("p1"), active=True))
    record.put("a", RecordedUser(None, active=True))
    record.put("b", RecordedUser(Ref("p1"), active=True))
    assert record.get("a") == RecordedUser(None, active=True)


def test_a_record_says_whose_each_user_of_the_service_is() -> None:
    record = UserRecord(HERE, "salt", [Piece(HERE, "salt", {"a": known(1), "b": RecordedUser(None)})])
    owners = record.owners
    assert owners == {"p1": "a"}
    record.put("a", known(2))
    record.put("b", known(1))
    assert owners == {"p1": "b", "p2": "a"}
