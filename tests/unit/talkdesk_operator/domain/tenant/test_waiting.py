"""A tenant that waits for its objects is looked at when one of them changes, but not more than once a second."""

from datetime import timedelta

from builders.objects import NOON
from talkdesk_operator.domain.tenant.waiting import WaitingTenants

SECOND = timedelta(seconds=1)


def test_a_tenant_that_waits_is_looked_at_at_once_and_then_at_most_once_a_second() -> None:
    waiting = WaitingTenants()
    waiting.note("team", "one", waits=True)
    assert waiting.changed("team", "one", NOON) == NOON
    assert waiting.changed("team", "one", NOON) == NOON + SECOND
    waiting.note("team", "one", waits=True)  # the look itself starts no new count
    assert waiting.changed("team", "one", NOON + 5 * SECOND) == NOON + 5 * SECOND


def test_a_tenant_that_waits_for_nothing_is_left_alone() -> None:
    waiting = WaitingTenants(tenants=1)
    assert waiting.changed("team", "one", NOON) is None
    waiting.note("team", "one", waits=True)
    waiting.note("team", "one", waits=False)
    assert waiting.changed("team", "one", NOON) is None
    waiting.note("team", "one", waits=True)
    waiting.note("other", "one", waits=True)
    assert waiting.changed("team", "one", NOON) is None
