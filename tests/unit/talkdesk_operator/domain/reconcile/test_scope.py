"""What a scope says of itself."""

import pytest

from builders.objects import installation, scope, tenant
from talkdesk_operator.domain.reconcile.scope import Role


def test_a_missing_request_or_app_raises_lookup_error() -> None:
    with pytest.raises(LookupError, match="no request"):
        _ = scope(installation=installation(request=None)).request
    with pytest.raises(LookupError, match="no app"):
        _ = scope(app=None).required_app


def test_the_owner_and_the_last_owner_own_the_tenant() -> None:
    assert scope(role=Role.OWNER, tenant=tenant()).owns_tenant
    assert scope(role=Role.LAST_OWNER, tenant=tenant()).owns_tenant
    assert not scope(role=Role.NON_OWNER, tenant=tenant()).owns_tenant
    assert not scope(role=Role.LAST_OWNER).owns_tenant
