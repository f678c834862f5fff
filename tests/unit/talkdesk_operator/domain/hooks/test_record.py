"""The record of what services have of a tenant."""

from talkdesk_operator.domain.hooks.record import Existence, HookEntry, HookRecord


def test_an_entry_is_put_in_and_the_record_before_stays_as_it_was() -> None:
    empty = HookRecord("r1")
    one = empty.with_entry("account", HookEntry(exists=Existence.YES))
    both = one.with_entry("mail", HookEntry())
    assert (empty.entries, [*one.entries], [*both.entries]) == ({}, ["account"], ["account", "mail"])
