"""Which account goes first."""

from datetime import timedelta

import pytest

from builders.objects import NOON, answered, deleted, ended, installation
from talkdesk_crds.installation import RequestType
from talkdesk_operator.domain.installation.priority import Priority, priority_of

NOW = NOON + timedelta(days=1)


@pytest.mark.case(33)
def test_the_oldest_request_has_the_nearest_deadline_and_goes_first() -> None:
    old, new = installation("old", at=NOON - timedelta(days=6)), installation("new", at=NOON)
    assert priority_of([old], NOW) < priority_of([new], NOW)
    assert priority_of([new, old], NOW) == priority_of([old], NOW)
    assert priority_of([new], NOW) == (Priority.ANSWER, NOON.timestamp())


def test_a_request_that_waits_goes_before_a_mere_change() -> None:
    terminal = installation(at=NOON - timedelta(days=99), status=answered())
    assert priority_of([terminal], NOW) == (Priority.CHANGED, NOW.timestamp())
    assert priority_of([installation()], NOW) < priority_of([terminal], NOW)
    assert priority_of([], NOW) == (Priority.CHANGED, NOW.timestamp())


def test_an_uninstall_or_a_deletion_goes_before_an_install() -> None:
    leaving = installation(request=RequestType.UNINSTALL, at=NOW)
    assert priority_of([leaving], NOW)[0] is Priority.DELETION
    assert priority_of([deleted(status=answered())], NOW)[0] is Priority.DELETION
    assert priority_of([leaving], NOW) < priority_of([installation()], NOW)


def test_an_acknowledged_uninstall_is_no_longer_urgent() -> None:
    over = installation(request=RequestType.UNINSTALL, status=ended())
    assert priority_of([over], NOW)[0] is Priority.CHANGED
