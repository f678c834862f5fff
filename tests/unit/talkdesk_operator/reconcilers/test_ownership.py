"""Apps of one name, restored backups, forged and lost marks: no tenant takes or deletes what is not its own."""

import copy
from typing import Any

import pytest

from builders.objects import DAY, INSTALLATION, app_object, tenant_object
from builders.operator_in_memory import (
    ACCOUNT,
    IDENTITY,
    KEY,
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
    template,
)
from talkdesk_crds.names import ANNOTATION_OWNER, LABEL_TENANT
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.tenant.marks import Mark
from talkdesk_operator.reconcilers.ownership import DeletionRight, Owner, Rights
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeForbidden

STAGING = AccountKey("staging", "sentiment", ACCOUNT)


def in_staging(raw: dict[str, Any]) -> dict[str, Any]:
    """The same object in another namespace."""
    metadata = raw["metadata"] | {"namespace": "staging", "uid": f"staging-{raw['metadata']['name']}"}
    return copy.deepcopy(raw) | {"metadata": metadata}


async def two_apps(*, adopt: bool = False) -> OperatorInMemory:
    """Production has the customer's tenant; staging has an app of the same name, and the same customer."""
    operator = OperatorInMemory()
    await operator.converge()
    policy = {"conflictPolicy": "Adopt"} if adopt else {}
    steps = [step | policy for step in template()["steps"]]
    for raw in (app_object(tenant=template(*steps)), installed(), credentials_secret()):
        operator.server.put(in_staging(raw))
    return operator


def tenants_objects(operator: OperatorInMemory) -> dict[str, Any]:
    return {place: raw for place, raw in operator.server.objects.items() if SPACE in place}


def in_staging_ready(operator: OperatorInMemory, kind: str, name: str) -> str:
    conditions = operator.server.get(kind, name, "staging")["status"]["conditions"]
    return next(str(each["reason"]) for each in conditions if each["type"] == "Ready")


@pytest.mark.case(69)
@pytest.mark.parametrize("adopt", [False, True])
async def test_an_app_of_the_same_name_in_another_namespace_gets_a_conflict_and_takes_nothing(*, adopt: bool) -> None:
    operator = await two_apps(adopt=adopt)
    before = tenants_objects(operator)
    await operator.reconcile(key=STAGING)
    assert tenants_objects(operator) == before
    assert in_staging_ready(operator, "TalkdeskTenant", TENANT) == "Conflict"
    assert in_staging_ready(operator, "TalkdeskInstallation", INSTALLATION) == "Conflict"


@pytest.mark.case(69)
@pytest.mark.parametrize("adopt", [False, True])
async def test_the_uninstall_of_an_app_of_the_same_name_deletes_nothing_of_the_other(*, adopt: bool) -> None:
    operator = await two_apps(adopt=adopt)
    before = tenants_objects(operator)
    await operator.reconcile(key=STAGING)
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling", operator.now)
    asked = {"type": "Uninstall", "eventId": "e2", "eventTime": operator.now.isoformat()}
    operator.server.edit("TalkdeskInstallation", INSTALLATION, {"spec": {"request": asked}}, "staging")
    await operator.reconcile(key=STAGING)
    operator.now += 91 * DAY
    for cause in (Cause.WATCH, Cause.RETRY, Cause.RESYNC):
        await operator.reconcile(cause, key=STAGING)
    assert tenants_objects(operator) == before
    assert operator.server.find("TalkdeskTenant", TENANT, "staging") is None
    assert operator.server.find("TalkdeskTenant", TENANT) is not None


# One tenant and objects of all sorts.

MARK = Mark("sentiment", "team", TENANT, f"uid-{TENANT}", "acc1")
OWNER = Owner(MARK, IDENTITY)
SAME, EARLIER = MARK, Mark("sentiment", "team", TENANT, "uid-of-before", "acc1")
OTHER = Mark("sentiment", "staging", TENANT, "uid-of-another", "acc1")
NOBODY: dict[str, Any] = {"metadata": {"name": "a", "uid": "made"}}
HERE = tenant_object(TENANT)
THERE = in_staging(tenant_object(TENANT))
REMADE = tenant_object(TENANT, meta={"uid": "uid-of-after"})


def bearing(mark: Mark, **labels: str) -> dict[str, Any]:
    made = mark.stamp(NOBODY)
    return made | {"metadata": made["metadata"] | {"labels": made["metadata"]["labels"] | labels}}


OLD_MARKS = {
    "metadata": NOBODY["metadata"] | {"labels": {k: v for k, v in MARK.labels.items() if "namespace" not in k}}
}
OVERWRITTEN = bearing(SAME, **{LABEL_TENANT: "of-somebody"})


@pytest.mark.case(69)
@pytest.mark.parametrize(
    ("live", "records", "taken", "adopted"),
    [
        (bearing(SAME), [HERE], True, True),
        (bearing(EARLIER), [HERE], True, True),
        (bearing(EARLIER), [REMADE], False, False),
        (bearing(EARLIER), [], False, False),
        (bearing(OTHER), [HERE, THERE], False, False),
        (bearing(OTHER), [HERE], False, True),
        (NOBODY, [HERE], False, True),
        (OLD_MARKS, [HERE], False, False),
        (OVERWRITTEN, [HERE], False, False),
    ],
)
async def test_what_may_be_taken_over(
    live: dict[str, Any], records: list[dict[str, Any]], *, taken: bool, adopted: bool
) -> None:
    rights = Rights(OperatorInMemory(*records or [sentiment()]).cluster)
    assert (await rights.refusal(live, OWNER, adopt=False) == "") is taken
    assert (await rights.refusal(live, OWNER, adopt=True) == "") is adopted


async def test_an_object_of_a_tenant_that_cannot_be_looked_for_is_not_adopted() -> None:
    operator = OperatorInMemory(HERE)
    operator.journal.fail("GET talkdesktenants/.*", KubeForbidden("no"))
    assert "staging" in await Rights(operator.cluster).refusal(bearing(OTHER), OWNER, adopt=True)


YES, NO, DOUBT = DeletionRight.GRANTED, DeletionRight.NOT_OURS, DeletionRight.IN_DOUBT


@pytest.mark.case(69)
@pytest.mark.parametrize(
    ("live", "records", "recorded", "planned", "replaced"),
    [
        (bearing(SAME), [HERE], YES, YES, YES),
        (bearing(EARLIER), [HERE], YES, YES, YES),
        (bearing(EARLIER), [REMADE], NO, NO, NO),
        (bearing(OTHER), [HERE], NO, NO, NO),
        (NOBODY, [HERE], DOUBT, NO, NO),
        (OLD_MARKS, [HERE], DOUBT, DOUBT, DOUBT),
        (OVERWRITTEN, [HERE], DOUBT, DOUBT, DOUBT),
    ],
)
async def test_what_may_be_deleted(
    live: dict[str, Any],
    records: list[dict[str, Any]],
    recorded: DeletionRight,
    planned: DeletionRight,
    replaced: DeletionRight,
) -> None:
    """The object's uid is on record; none is; another one is."""
    rights = Rights(OperatorInMemory(*records).cluster)
    for uid, expected in (("made", recorded), ("", planned), ("of-before", replaced)):
        assert await rights.deletion(live, OWNER, recorded_uid=uid) is expected


# Stories.


@pytest.mark.case(88)
async def test_a_restored_backup_is_taken_over_with_all_its_objects() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    saved = {each: operator.server.find(*each) for each in (("ConfigMap", "account", SPACE), ("Secret", "keys", SPACE))}
    await _restored_all(operator, saved)
    await operator.converge(Cause.RESYNC)
    assert operator.reason() == "True/Succeeded"
    assert {item.uid for item in operator.tenant.status.inventory} == {
        f"restored-{SPACE}",
        "restored-account",
        "restored-keys",
    }
    owner = operator.server.get("ConfigMap", "account", SPACE)["metadata"]["annotations"][ANNOTATION_OWNER]
    assert owner == f"team/{TENANT}/restored-{TENANT}"


async def _restored_all(operator: OperatorInMemory, saved: dict[tuple[str, str, str], Any]) -> None:
    tenant, space = operator.server.get("TalkdeskTenant", TENANT), operator.server.get("Namespace", SPACE)
    operator.server.remove("TalkdeskTenant", TENANT)
    operator.server.remove("Namespace", SPACE)
    tenant.pop("status")
    for raw in (tenant, space, *saved.values()):
        metadata = {k: v for k, v in raw["metadata"].items() if k != "resourceVersion"}
        operator.server.put(raw | {"metadata": metadata | {"uid": f"restored-{metadata['name']}"}})


async def _offboarded(operator: OperatorInMemory) -> None:
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()


@pytest.mark.case(69)
async def test_an_object_whose_labels_a_stranger_overwrote_is_not_deleted_and_stays_on_record() -> None:
    operator = OperatorInMemory()
    await operator.converge()
    await _offboarded(operator)
    operator.server.edit("Namespace", SPACE, {"metadata": {"labels": {LABEL_TENANT: "mine"}}})
    operator.now += 91 * DAY
    await operator.reconcile()
    assert operator.server.find("Namespace", SPACE) is not None
    assert operator.server.find("ConfigMap", "account", SPACE) is None
    assert [item.name for item in operator.tenant.status.inventory] == [SPACE]
    assert operator.tenant_reason() == "False/Conflict"
    operator.server.edit("Namespace", SPACE, {"metadata": {"labels": {LABEL_TENANT: TENANT}}})
    operator.now += DAY
    await operator.converge(Cause.RETRY)
    assert operator.server.find("Namespace", SPACE) is None
    assert operator.server.find("TalkdeskTenant", TENANT) is None


@pytest.mark.parametrize("spec", [{"accountId": "of-another"}, {"appRef": {"name": "voice"}}])
async def test_a_record_of_the_same_name_that_is_of_another_account_or_app_is_not_taken(spec: dict[str, Any]) -> None:
    operator = OperatorInMemory(
        sentiment(), installed(), credentials_secret(), tenant_object(TENANT, **({"accountId": ACCOUNT} | spec))
    )
    before = operator.server.get("TalkdeskTenant", TENANT)
    await operator.reconcile(key=KEY)
    assert operator.server.get("TalkdeskTenant", TENANT) == before
    assert operator.reason() == "False/Conflict"
    assert operator.server.find("Namespace", SPACE) is None
