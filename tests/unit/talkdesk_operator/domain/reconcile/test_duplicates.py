"""Two objects for one installation: the one that events find counts."""

import pytest

from builders.objects import deleted, installation, tenant
from talkdesk_crds.conditions import Reason
from talkdesk_crds.installation import RequestType
from talkdesk_operator.domain.reconcile.duplicates import duplicates, report
from talkdesk_operator.domain.reconcile.ownership import roles
from talkdesk_operator.domain.reconcile.scope import Role

pytestmark = pytest.mark.case(59)
OWN = "sentiment-i1"


def test_the_object_under_another_name_does_not_count_beside_the_one_that_events_find() -> None:
    pair = [installation("imported"), installation(OWN)]
    assert duplicates(pair) == {"imported": OWN}
    failures = [report(each, duplicates(pair)) for each in pair]
    assert [failure and failure.reason for failure in failures] == [Reason.DUPLICATE, None]


def test_an_object_under_another_name_counts_where_it_is_the_only_one_of_its_installation() -> None:
    assert duplicates([installation("imported")]) == {}
    assert duplicates([installation("imported"), installation(OWN, installationId="I1")]) == {}


def test_an_object_that_does_not_count_can_be_deleted() -> None:
    assert duplicates([deleted("imported"), installation(OWN)]) == {}


@pytest.mark.parametrize(
    ("request_type", "role"), [(RequestType.UPDATE, Role.OWNER), (RequestType.UNINSTALL, Role.LAST_OWNER)]
)
def test_the_object_that_counts_owns_what_the_other_one_owned(request_type: RequestType, role: Role) -> None:
    pair = [installation("imported"), installation(OWN, request=request_type)]
    by_name = roles(pair, tenant(owner="imported"))
    assert by_name == {"imported": Role.NON_OWNER, OWN: role}
