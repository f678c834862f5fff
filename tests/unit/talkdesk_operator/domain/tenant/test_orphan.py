"""When a tenant is an orphan, and what its status says of it."""

import pytest

from builders.objects import NOON, condition, tenant
from talkdesk_crds.conditions import ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.tenant import TenantState, TenantStatus
from talkdesk_operator.domain.tenant.orphan import is_orphan, orphaned_status

pytestmark = pytest.mark.case(44)


@pytest.mark.parametrize(("state", "orphan"), [("Active", True), ("Suspended", True), ("Offboarded", False)])
def test_a_tenant_without_an_owner_is_an_orphan_unless_it_is_offboarded(state: str, *, orphan: bool) -> None:
    assert is_orphan(tenant(TenantState(state))) == orphan


def test_a_tenant_that_is_being_deleted_is_no_orphan() -> None:
    going = tenant()
    metadata = going.metadata.model_copy(update={"deletion_timestamp": NOON})
    assert not is_orphan(going.model_copy(update={"metadata": metadata}))


@pytest.mark.parametrize("owner", ["sentiment-i1", None])
def test_an_orphan_says_so_beside_its_other_conditions_and_once(owner: str | None) -> None:
    ready = condition(ConditionType.READY)
    found = orphaned_status(tenant(owner=owner, status=TenantStatus(conditions=(ready,))), NOON)
    assert found is not None
    said = find(found.conditions, ConditionType.ORPHANED)
    assert said is not None
    assert (said.status, said.reason) == ("True", Reason.INSTALLATION_DELETED)
    assert ("sentiment-i1" in said.message) == (owner is not None)
    assert ready in found.conditions
    assert to_wire_time(said.last_transition_time) == to_wire_time(NOON)
    assert orphaned_status(tenant(status=found), NOON) is None
