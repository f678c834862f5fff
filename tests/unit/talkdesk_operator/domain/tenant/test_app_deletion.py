"""What an app that is being deleted still holds."""

import pytest

from builders.objects import NOON, app, ended, installation, tenant
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import RequestType
from talkdesk_crds.tenant import TenantState
from talkdesk_operator.domain.tenant.app_deletion import (
    Remaining,
    deletion_blocked,
    is_being_deleted,
    remaining_of,
)

pytestmark = pytest.mark.case(90)


def test_what_is_left_is_counted_by_kind_and_added_up() -> None:
    over = installation("sentiment-i0", request=RequestType.UNINSTALL, status=ended())
    unasked = installation("sentiment-i2", request=None)
    live = remaining_of((installation(), over, unasked), tenant())
    assert live == Remaining(installations=1, tenants=1)
    kept = remaining_of((over,), tenant(TenantState.OFFBOARDED))
    assert kept == Remaining(retained=1)
    broken = remaining_of((), None, unreadable=True)
    assert live + kept + broken == Remaining(1, 1, 1, 1)


def test_only_records_of_ended_installations_are_nothing() -> None:
    over = installation(request=RequestType.UNINSTALL, status=ended())
    assert not remaining_of((over,), None)
    assert remaining_of((installation(),), None)


def test_the_condition_counts_what_there_is_and_names_nothing_else() -> None:
    blocked = deletion_blocked(app(), Remaining(installations=2, retained=3), NOON)
    assert (blocked.status, blocked.reason) == ("True", Reason.CUSTOMERS_LEFT)
    assert "2 installations that have not ended, 3 retained tenants are left" in blocked.message


def test_an_app_is_being_deleted_from_its_deletion_on() -> None:
    assert not is_being_deleted(app())
    metadata = app().metadata.model_copy(update={"deletion_timestamp": NOON})
    assert is_being_deleted(app().model_copy(update={"metadata": metadata}))
