"""When objects of a tenant are searched for, because its record is missing."""

from dataclasses import replace
from typing import Any

import pytest

from builders.objects import answered, deleted, ended, installation, scope, tenant, view
from builders.raw_objects import TEMPLATE
from talkdesk_crds.fields import LocalRef
from talkdesk_crds.installation import InstallationPhase, InstallationStatus, RequestType
from talkdesk_operator.domain.installation.lifecycle import decide
from talkdesk_operator.domain.reconcile.scope import CompiledApp, Role, Scope
from talkdesk_operator.domain.reconcile.steps import RecoverRecord, RemoveFinalizer
from talkdesk_operator.domain.tenant.lost_record import is_record_lost
from talkdesk_operator.templates.template import CompiledTemplate

REF = LocalRef(name="sentiment-acc")
HAD_ONE = InstallationStatus(tenant_ref=REF)


def app() -> CompiledApp:
    return replace(view(tenant=TEMPLATE), template=CompiledTemplate.compile("t", [], "r1"))


def lost(status: InstallationStatus = HAD_ONE, **fields: Any) -> Scope:
    return scope(**({"app": app(), "installation": installation(status=status), "role": Role.LAST_OWNER} | fields))


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lost(), True),
        (lost(role=Role.OWNER), True),
        (lost(role=Role.NON_OWNER), False),
        (lost(InstallationStatus()), False),
        (lost(HAD_ONE.model_copy(update={"phase": InstallationPhase.PURGED})), False),
        (lost(tenant=tenant()), False),
        (lost(record_searched=True), False),
        (lost(app=None), False),
        (lost(app=view()), False),
    ],
)
def test_a_record_is_missing_when_there_was_a_tenant_that_nobody_purged(found: Scope, *, expected: bool) -> None:
    assert is_record_lost(found) is expected


@pytest.mark.case(44)
@pytest.mark.parametrize(
    "found",
    [
        lost(installation=installation(request=RequestType.UNINSTALL, status=answered("event-0", tenant_ref=REF))),
        lost(installation=installation(request=RequestType.UNINSTALL, status=ended(tenant_ref=REF))),
        lost(installation=deleted(deletionPolicy="Delete", status=HAD_ONE)),
    ],
)
def test_an_end_of_any_kind_begins_with_the_search(found: Scope) -> None:
    assert decide(found) == RecoverRecord()
    assert decide(replace(found, record_searched=True)) != RecoverRecord()


def test_a_deletion_that_keeps_the_tenant_needs_no_search() -> None:
    assert decide(lost(installation=deleted(status=HAD_ONE))) == RemoveFinalizer()
