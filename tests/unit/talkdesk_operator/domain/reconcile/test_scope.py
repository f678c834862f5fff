"""What a scope says of itself."""

import pytest

from builders.objects import installation, scope, tenant
from talkdesk_operator.domain.reconcile.scope import Role


def test_request_and_app_are_only_to_be_asked_for_where_there_are_some() -> None:
    with pytest.raises(LookupError, match="no request"):
        _ = scope(installation=installation(request=None)).request
    with pytest.raises(LookupError, match="no app"):
        _ = scope(app=None).required_app


def test_a_tenant_is_looked_after_by_its_owner_or_holder() -> None:
    assert scope(role=Role.OWNER, tenant=tenant()).owns_tenant
    assert scope(role=Role.LAST_OWNER, tenant=tenant()).owns_tenant
    assert not scope(role=Role.NON_OWNER, tenant=tenant()).owns_tenant
    assert not scope(role=Role.LAST_OWNER).owns_tenant
