"""Which installation has the account's tenant."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.objects import NOON, answered, deleted, ended, installation, scope, tenant
from talkdesk_crds.installation import EndingReason, RequestType, TalkdeskInstallation
from talkdesk_crds.tenant import TalkdeskTenant, TenantState
from talkdesk_operator.domain.reconcile.ownership import install_time, is_alive, is_unchanged, roles
from talkdesk_operator.domain.reconcile.scope import Role

DAY = timedelta(days=1)


def uninstalled(name: str, **keywords: Any) -> TalkdeskInstallation:
    return installation(name, request=RequestType.UNINSTALL, status=ended(install_time=NOON), **keywords)


def test_without_installations_there_is_no_owner() -> None:
    assert roles([], tenant()) == {}


@pytest.mark.case(39)
def test_of_two_live_installations_the_newest_owns_the_tenant() -> None:
    pair = [installation("old", at=NOON), installation("new", at=NOON + DAY)]
    assert roles(pair, tenant(owner="old")) == {"old": Role.NON_OWNER, "new": Role.OWNER}


@pytest.mark.case(39)
def test_of_two_installations_of_the_same_moment_exactly_one_is_the_owner() -> None:
    assert sorted(role.name for role in roles([installation("a"), installation("b")], None).values()) == [
        "NON_OWNER",
        "OWNER",
    ]


@pytest.mark.case(16)
def test_an_uninstall_of_an_older_installation_leaves_the_tenant_with_the_newer_one() -> None:
    old = installation("old", request=RequestType.UNINSTALL, at=NOON + 2 * DAY)
    assert roles([old, installation("new", at=NOON + DAY)], tenant(owner="old")) == {
        "old": Role.NON_OWNER,
        "new": Role.OWNER,
    }


def test_an_update_does_not_make_an_installation_newer() -> None:
    updated = installation("old", request=RequestType.UPDATE, at=NOON + 2 * DAY, status=answered(install_time=NOON))
    assert install_time(updated) == NOON
    assert roles([updated, installation("new", at=NOON + DAY)], None)["new"] is Role.OWNER


def test_an_installation_without_any_known_install_is_as_old_as_its_object() -> None:
    imported = installation("imported", request=RequestType.UPDATE, meta={"creationTimestamp": "2027-01-01T00:00:00Z"})
    assert install_time(imported) is None
    assert roles([imported, installation("other", at=NOON + DAY)], None)["imported"] is Role.OWNER
    bare = installation("bare", request=RequestType.UPDATE, meta={"creationTimestamp": None})
    assert roles([bare, imported], None)["imported"] is Role.OWNER


@pytest.mark.parametrize(
    "gone",
    [
        installation(request=None),
        installation(request=RequestType.UNINSTALL),
        installation(status=ended(EndingReason.GONE)),
        deleted(),
    ],
)
def test_an_installation_without_request_or_with_an_end_is_not_alive(gone: TalkdeskInstallation) -> None:
    assert not is_alive(gone)
    assert roles([gone], None)[gone.metadata.name] is Role.LAST_OWNER


def test_without_a_live_installation_the_last_owner_offboards_the_tenant() -> None:
    pair = [uninstalled("had"), uninstalled("newer", at=NOON + DAY)]
    assert roles(pair, tenant(owner="had")) == {"had": Role.LAST_OWNER, "newer": Role.NON_OWNER}


@pytest.mark.parametrize("kept", [None, tenant(owner=None)])
def test_a_tenant_without_an_owner_is_offboarded_by_the_newest_installation(kept: TalkdeskTenant | None) -> None:
    pair = [
        uninstalled("old"),
        installation("newer", request=RequestType.UNINSTALL, status=ended(install_time=NOON + DAY)),
    ]
    assert roles(pair, kept)["newer"] is Role.LAST_OWNER


@pytest.mark.case(44)
@pytest.mark.parametrize("state", [TenantState.ACTIVE, TenantState.SUSPENDED])
def test_a_tenant_whose_installation_was_deleted_by_hand_is_not_offboarded(state: TenantState) -> None:
    assert roles([uninstalled("old")], tenant(state, owner="deleted-by-hand")) == {"old": Role.NON_OWNER}


@pytest.mark.case(44)
def test_a_live_installation_takes_over_the_tenant_of_one_that_was_deleted_by_hand() -> None:
    assert roles([installation("sibling")], tenant(owner="deleted-by-hand")) == {"sibling": Role.OWNER}


@pytest.mark.case(40)
def test_a_retention_that_began_before_the_object_was_deleted_still_ends() -> None:
    assert roles([uninstalled("old")], tenant(TenantState.OFFBOARDED, owner="deleted"))["old"] is Role.LAST_OWNER


@given(
    st.lists(
        st.builds(
            installation,
            name=st.sampled_from(["a", "b", "c", "d"]),
            request=st.sampled_from([None, *RequestType]),
            at=st.datetimes(NOON.replace(tzinfo=None), NOON.replace(tzinfo=None) + DAY).map(
                lambda at: at.replace(tzinfo=NOON.tzinfo)
            ),
            status=st.sampled_from([answered(), ended(), ended(EndingReason.GONE)]),
        ),
        unique_by=lambda i: i.metadata.name,
    ),
    st.sampled_from([None, tenant(owner="a"), tenant(TenantState.OFFBOARDED, owner="z")]),
)
def test_at_most_one_installation_owns_the_tenant_and_a_live_one_if_there_is_any(
    installations: list[TalkdeskInstallation], kept: TalkdeskTenant | None
) -> None:
    given_roles = roles(installations, kept)
    assert set(given_roles) == {i.metadata.name for i in installations}
    having = [name for name, role in given_roles.items() if role is not Role.NON_OWNER]
    alive = {i.metadata.name for i in installations if is_alive(i)}
    assert len(having) <= 1
    assert not alive or set(having) <= alive
    assert not alive or given_roles[having[0]] is Role.OWNER


LEAVING = uninstalled("a")
BACK = installation("b", at=NOON + DAY)


@pytest.mark.case(71)
@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([LEAVING], True),
        ([LEAVING, uninstalled("older", at=NOON - DAY)], True),
        ([], False),
        ([LEAVING, BACK], False),
        ([installation("a", at=NOON + DAY)], False),
        ([uninstalled("a", meta={"uid": "another"})], False),
        ([uninstalled("a", meta={"deletionTimestamp": "2026-03-01T12:00:00Z"})], False),
    ],
)
def test_an_end_is_only_carried_out_while_the_installations_are_as_they_were(
    present: list[TalkdeskInstallation], *, expected: bool
) -> None:
    decided = scope(installation=LEAVING, role=Role.LAST_OWNER, tenant=tenant(owner="a"))
    assert is_unchanged(decided, present) is expected
