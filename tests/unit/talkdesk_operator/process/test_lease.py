"""Asking for a Lease that somebody holds."""

from dataclasses import dataclass

from builders.leases_api import Connection, LeasesApi
from builders.manual_clock import ManualClock
from talkdesk_crds.names import ANNOTATION_WANTED_BY
from talkdesk_operator.process.lease import ElectionTimes, Lease

TIMES = ElectionTimes()


@dataclass
class Two:
    """Who holds a Lease, and who would like to."""

    api: LeasesApi
    clock: ManualClock
    holder: Lease
    other: Lease


async def two() -> Two:
    api, clock = LeasesApi(), ManualClock()
    holder, other = (
        Lease(Connection(api, name), "system", "operator", name, TIMES, clock.runtime_clock())
        for name in ("holder", "other")
    )
    assert await holder.read()
    assert await holder.take()
    assert await other.read()
    return Two(api, clock, holder, other)


async def test_who_asks_changes_nothing_but_that() -> None:
    it = await two()
    before = it.api.leases["operator"]["spec"]
    assert await it.other.ask()
    assert it.api.leases["operator"]["spec"] == before
    assert it.api.annotations("operator") == {ANNOTATION_WANTED_BY: "other"}


async def test_the_word_stays_while_the_lease_is_renewed_and_given_back_and_goes_when_it_is_taken() -> None:
    it = await two()
    assert await it.other.ask()
    assert not await it.holder.take(), "it has changed in between"
    assert await it.holder.read()
    assert it.holder.wanted_by == "other"
    assert await it.holder.take()
    assert await it.holder.give_back({})
    assert await it.other.read()
    assert (it.other.holder, it.other.wanted_by) == ("", "other")
    assert await it.other.take()
    assert (it.other.holder, it.other.wanted_by) == ("other", "")


async def test_being_asked_is_no_sign_of_life_of_the_holder() -> None:
    it = await two()
    it.clock.advance(TIMES.lease_duration - 1)
    assert await it.other.ask()
    assert not it.other.may_be_taken()
    it.clock.advance(1)
    assert it.other.may_be_taken()


async def test_nobody_asks_for_a_lease_that_they_have_not_seen_or_that_has_changed() -> None:
    it = await two()
    assert await it.holder.take()
    assert not await it.other.ask()
    unseen = Lease(Connection(it.api, "new"), "system", "operator", "new", TIMES, it.clock.runtime_clock())
    assert not await unseen.ask()
