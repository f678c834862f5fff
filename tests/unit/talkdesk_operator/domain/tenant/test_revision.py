"""Equal templates are one revision, whatever else is in an app; and each tenant is held to exactly one."""

from typing import Any

import pytest

from builders.objects import NOON, STEPS, app, tenant
from talkdesk_crds.app import AppStatus, TalkdeskApp
from talkdesk_crds.app_rollout import RolloutStatus
from talkdesk_crds.conditions import Condition, ConditionType, Reason
from talkdesk_crds.tenant import TalkdeskTenant, TenantState, TenantStatus
from talkdesk_operator.domain.tenant.revision import (
    assigned,
    content_of,
    is_complete,
    revision_name,
    target,
    with_content,
)

NAME = tenant().metadata.name


def templated(**fields: Any) -> dict[str, Any]:
    return {"tenant": {"serviceAccountName": "provisioner", "steps": STEPS} | fields}


@pytest.mark.case(55)
@pytest.mark.case(76)
def test_an_edit_of_anything_but_the_template_makes_no_revision() -> None:
    unseen: dict[str, Any] = {
        "events": {"signatureVerification": "Disabled"},
        "auth": {"method": "Basic"},
        "approval": {"mode": "Manual"},
        "deadline": {"warnBefore": ["1h"]},
        "users": {},
        "trial": {"onEnd": "Keep"},
        "license": {"onSuspended": "Keep"},
        "retention": {"keepFor": "1h"},
        "resyncPeriod": "1h",
        "paused": True,
        "templateRollout": {"maxUnavailable": 3},
        "tenant": {"steps": STEPS, "serviceAccountName": "another", "objectScope": "Any"},
    }
    for field, value in unseen.items():
        assert revision_name(app(**{field: value})) == revision_name(app()), field


@pytest.mark.parametrize(
    "change",
    [
        {"values": {"replicas": 2}},
        {"name": "${'x' + account.id}"},
        {"steps": [STEPS[0] | {"onOffboard": "Delete"}]},
        {"steps": [STEPS[0] | {"manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}]},
    ],
)
def test_a_change_of_the_template_makes_one(change: dict[str, Any]) -> None:
    assert revision_name(app(**templated(**change))) != revision_name(app())
    assert revision_name(app(**templated(**change))).startswith("sentiment-")


@pytest.mark.case(56)
def test_what_is_written_out_or_left_out_is_the_same_revision_so_an_upgrade_with_new_members_moves_nobody() -> None:
    said = [STEPS[0] | {"onOffboard": "Retain", "conflictPolicy": "Fail"}]
    assert revision_name(app(**templated(steps=said, values={}))) == revision_name(app())


def test_an_app_gets_an_older_template_and_keeps_all_else() -> None:
    older = app(**templated(values={"a": 1}))
    newer = app(tenant={"serviceAccountName": "another", "steps": STEPS, "values": {"a": 2}})
    found = with_content(newer, revision_name(older), content_of(older))
    assert found is not None
    assert found.spec.tenant.values == {"a": 1}
    assert found.spec.tenant.service_account_name == "another"


def test_a_revision_whose_content_is_not_what_its_name_says_is_none() -> None:
    older = app(**templated(values={"a": 1}))
    slipped_in = content_of(app(**templated(values={"a": 2})))
    assert with_content(older, revision_name(older), slipped_in) is None
    assert with_content(older, revision_name(older), {"steps": "none"}) is None


def rolling(
    wave: tuple[str, ...] = (),
    *,
    current: str | None = "old",
    updated: str | None = "new",
    reason: str = "",
    **spec: Any,
) -> TalkdeskApp:
    condition = Condition(
        type=ConditionType.ROLLED_OUT, status="False", reason=reason or Reason.ROLLING_OUT, last_transition_time=NOON
    )
    rollout = RolloutStatus(wave=wave) if wave else None
    status = AppStatus(current_revision=current, updated_revision=updated, rollout=rollout, conditions=(condition,))
    return app(**spec).model_copy(update={"status": status})


def having(held: str | None, **keywords: Any) -> TalkdeskTenant:
    return tenant(status=TenantStatus(revision=held), **keywords)


def held_to(resource: TalkdeskApp, found: TalkdeskTenant | None, *, usable: bool = True) -> str:
    return assigned(resource, found, "new", usable=usable)


@pytest.mark.case(55)
def test_a_tenant_keeps_its_revision_until_its_turn_comes() -> None:
    assert held_to(rolling(), having("old")) == "old"
    assert held_to(rolling(("another",)), having("old")) == "old"
    assert held_to(rolling((NAME,)), having("old")) == "new"
    assert held_to(rolling((NAME,), updated="former"), having("old")) == "old"
    assert held_to(rolling(), having("new")) == "new"


def test_a_rollout_that_was_never_begun_moves_nobody() -> None:
    assert held_to(app(), having("old")) == "old"


def test_after_a_rollout_whoever_comes_late_gets_the_revision_at_once() -> None:
    assert held_to(rolling(current="new"), having("old")) == "new"
    assert is_complete(rolling(current="new"), "new")
    assert not is_complete(rolling(), "new")


@pytest.mark.parametrize("found", [None, having(None), having("old", state=TenantState.OFFBOARDED)])
def test_a_new_tenant_gets_the_newest_revision_unless_that_is_broken(found: TalkdeskTenant | None) -> None:
    assert held_to(rolling(), found) == "new"
    assert held_to(rolling(reason=Reason.TENANTS_FAILING), found) == "old"
    assert held_to(rolling(reason=Reason.TENANTS_FAILING, current=None), found) == "new"
    assert held_to(rolling(reason=Reason.TENANTS_FAILING, updated="former"), found) == "new"
    assert held_to(rolling(), found, usable=False) == "old"
    assert held_to(app(), found) == "new"


def test_what_a_person_chose_for_a_tenant_goes_before_everything() -> None:
    assert held_to(rolling((NAME,)), having("old", revision="chosen")) == "chosen"


def pinned(revision: str | None, current: str | None = "old") -> TalkdeskApp:
    policy = {"policy": "Pinned"} | ({"revision": revision} if revision is not None else {})
    return rolling(current=current, templateRollout=policy)


def test_a_pinned_app_aims_at_the_chosen_revision_or_at_the_last_that_all_had() -> None:
    assert target(rolling(), "new") == "new"
    assert target(pinned("chosen"), "new") == "chosen"
    assert target(pinned(None), "new") == "old"
    assert target(pinned(None, current=None), "new") == "new"
    assert held_to(pinned("chosen"), None, usable=False) == "chosen"
