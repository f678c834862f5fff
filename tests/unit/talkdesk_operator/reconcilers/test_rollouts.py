"""A change of the template reaches customers a few at a time, whoever works on it when."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from builders.api_server import HOME
from builders.operator_in_memory import (
    NAMESPACE,
    OperatorInMemory,
    config_map,
    credentials_secret,
    installed,
    sentiment,
    template,
)
from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.conditions import Condition, ConditionType, Reason, find
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.names import API_VERSION
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.tenant.revision import revision_name
from talkdesk_operator.workqueue.contract import Cause, Result
from talkdesk_runtime.kube_errors import KubeError, KubeForbidden, KubeInvalid, KubeUnreachable

pytestmark = pytest.mark.case(55)
APP = AccountKey.of_app(HOME, "sentiment")
MANY = 40
"""200 take five times as long, and show the same."""


def steps(version: str) -> list[dict[str, Any]]:
    return [{"name": "base", "manifests": [NAMESPACE, config_map("settings", data={"version": version})]}]


class Customers:
    """So many customers of one app, and an operator that is told of everything."""

    def __init__(self, count: int = 3, **spec: Any) -> None:
        self.keys = [AccountKey(HOME, "sentiment", f"acc{number}") for number in range(count)]
        installations = [
            installed(
                name=f"sentiment-i{number}",
                accountId=key.account_id,
                installationId=f"i{number}",
                credentials={
                    "secretName": f"keys-{number}",
                    "eventId": "event-1",
                    "eventTime": to_wire_time(OperatorInMemory().now),
                },
            )
            for number, key in enumerate(self.keys)
        ]
        secrets = [credentials_secret(f"keys-{n}", installation=f"sentiment-i{n}") for n in range(count)]
        app = sentiment(*steps("1"), **spec)
        self.operator = OperatorInMemory(app, *installations, *secrets, rolls_out=True)
        self.server = self.operator.server
        self.broken: set[str] = set()
        self.server.validate = self._validate

    def _validate(self, manifest: Any) -> KubeError | None:
        broken = manifest["metadata"].get("namespace", "").removeprefix("td-") in self.broken
        fails = broken and manifest.get("data") == {"version": "2"}
        return KubeInvalid("no: version 2 is nothing for Acme Inc.") if fails else None

    async def turn(self) -> Result:
        """Reconcile the app and then every account, once."""
        result = await self.operator.reconcile(key=APP)
        for key in self.keys:
            await self.operator.reconcile(key=key)
        return result

    async def turns(self, most: int = 30) -> int:
        """Do that until nothing changes any more but the time of the next attempt; return how often."""
        for number in range(most):
            before = self.settled
            await self.turn()
            if self.settled == before:
                return number
        raise AssertionError("it does not end")

    @property
    def settled(self) -> dict[Any, str]:
        return {place: each for place, each in self.server.versions.items() if place[0] != "talkdeskinstallations"}

    def edit(self, version: str, **rollout: Any) -> None:
        changes = {"tenant": template(*steps(version))} | ({"templateRollout": rollout} if rollout else {})
        self.operator.change("TalkdeskApp", "sentiment", {"spec": changes})

    def set(self, **rollout: Any) -> None:
        self.operator.change("TalkdeskApp", "sentiment", {"spec": {"templateRollout": rollout}})

    @property
    def app(self) -> TalkdeskApp:
        return TalkdeskApp.read(self.server.get("TalkdeskApp", "sentiment"))

    @property
    def condition(self) -> Condition:
        found = find(self.app.status.conditions, ConditionType.ROLLED_OUT)
        assert found is not None
        return found

    @property
    def versions(self) -> list[str]:
        """The version of the template in the objects of each customer."""
        return [
            self.server.get("ConfigMap", "settings", f"td-{key.account_id}")["data"]["version"] for key in self.keys
        ]

    @property
    def revisions(self) -> list[str]:
        found = sorted(self.server.all("ControllerRevision"), key=lambda each: int(each["revision"]))
        return [each["metadata"]["name"] for each in found]

    def tenant(self, number: int = 0) -> TalkdeskTenant:
        return TalkdeskTenant.read(self.server.get("TalkdeskTenant", f"sentiment-acc{number}"))


async def world(count: int = 3, **spec: Any) -> Customers:
    made = Customers(count, **spec)
    await made.turns()
    return made


async def test_the_first_template_is_a_revision_that_all_tenants_have_and_nothing_more_is_written() -> None:
    it = await world()
    (name,) = it.revisions
    app = it.app
    assert name == app.status.current_revision == app.status.updated_revision == revision_name(app)
    kept = it.server.get("ControllerRevision", name)
    assert kept["data"]["tenant"]["steps"][0]["manifests"] == steps("1")[0]["manifests"]
    (owner,) = kept["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["uid"]) == (API_VERSION, "TalkdeskApp", app.metadata.uid)
    assert {it.tenant(number).status.revision for number in range(3)} == {name}
    assert (it.condition.status, it.condition.reason) == ("True", Reason.SUCCEEDED)
    assert it.operator.journal.writes.count("POST controllerrevisions") == 1


async def test_a_change_moves_one_tenant_after_the_other_and_each_wave_is_in_the_apps_status() -> None:
    it = await world()
    it.edit("2")
    result = await it.operator.reconcile(key=APP)
    assert result.next
    wave = it.app.status.rollout
    assert wave is not None
    assert len(wave.wave) == 1
    assert it.versions == ["1", "1", "1"]
    for key in it.keys:
        await it.operator.reconcile(key=key)
    assert sorted(it.versions) == ["1", "1", "2"]
    await it.turn()
    assert sorted(it.versions) == ["1", "2", "2"]
    await it.turns()
    assert it.versions == ["2", "2", "2"]
    counts = it.app.status.tenants
    assert counts is not None
    assert (counts.total, counts.updated, counts.failing) == (3, 3, 0)
    assert it.app.status.rollout is None
    assert it.revisions == [it.revisions[0], it.app.status.current_revision]
    assert [raw["reason"] for raw in it.server.all("Event")].count("Succeeded") == 1


@pytest.mark.case(56)
async def test_an_edit_of_anything_else_touches_nobody() -> None:
    it = await world()
    before = {place: version for place, version in it.server.versions.items() if place[0] != "talkdeskapps"}
    it.operator.change("TalkdeskApp", "sentiment", {"spec": {"deadline": {"warnBefore": ["2h"]}, "resyncPeriod": "1h"}})
    it.set(maxUnavailable=2)
    await it.turns()
    assert {place: version for place, version in it.server.versions.items() if place[0] != "talkdeskapps"} == before


async def test_it_stops_when_one_fails_says_whose_and_why_and_quotes_nothing() -> None:
    it = await world(6)
    it.broken = {key.account_id for key in it.keys}
    it.edit("2")
    await it.turns()
    assert it.versions == ["1"] * 6
    assert it.condition.reason == Reason.TENANTS_FAILING
    (failing,) = [n for n in range(6) if it.tenant(n).status.revision != it.revisions[0]]
    assert f"sentiment-acc{failing} (ApplyRefused)" in it.condition.message
    assert "Acme" not in it.condition.message
    assert [raw["reason"] for raw in it.server.all("Event")].count("TenantsFailing") == 1
    counts = it.app.status.tenants
    assert counts is not None
    assert (counts.updated, counts.failing, counts.unavailable) == (1, 1, 1)


async def test_a_new_customer_gets_the_last_good_revision_while_the_new_one_fails() -> None:
    it = await world(2)
    it.broken = {key.account_id for key in it.keys}
    it.edit("2")
    await it.turns()
    it.server.put(installed(name="sentiment-i7", accountId="acc7", installationId="i7"))
    it.server.put(credentials_secret("keys-1", installation="sentiment-i7"))
    it.keys.append(AccountKey(HOME, "sentiment", "acc7"))
    await it.turns()
    assert it.versions[-1] == "1"
    assert it.tenant(7).status.revision == it.app.status.current_revision


async def test_an_older_revision_is_brought_back_by_its_name() -> None:
    it = await world()
    it.broken = {"acc0", "acc1", "acc2"}
    it.edit("2")
    await it.turns()
    old = it.revisions[0]
    it.set(policy="Pinned", revision=old)
    await it.turns()
    assert it.versions == ["1", "1", "1"]
    assert (it.condition.status, it.app.status.current_revision) == ("True", old)
    assert {it.tenant(number).status.revision for number in range(3)} == {old}
    it.edit("3")
    await it.turns()
    assert it.versions == ["1", "1", "1"]
    it.set(policy="Automatic", revision=None)
    await it.turns()
    assert it.versions == ["3", "3", "3"]


async def test_a_mended_template_reaches_all_and_first_of_all_whom_it_had_broken() -> None:
    it = await world()
    it.broken = {"acc0", "acc1", "acc2"}
    it.edit("2")
    await it.turns()
    (broken,) = [n for n in range(3) if it.tenant(n).status.revision != it.revisions[0]]
    it.edit("3")
    await it.turn()
    assert it.versions[broken] == "3"
    await it.turns()
    assert it.versions == ["3", "3", "3"]


async def test_another_process_goes_on_where_one_ended() -> None:
    it = await world(4)
    it.edit("2")
    await it.turn()
    it.operator.restart()
    assert sorted(it.versions) == ["1", "1", "1", "2"]
    for key in it.keys:
        await it.operator.reconcile(Cause.STARTUP, key=key)
    assert sorted(it.versions) == ["1", "1", "1", "2"]
    await it.turns()
    assert it.versions == ["2"] * 4


async def test_an_object_of_a_tenant_that_waits_is_put_right_by_its_own_revision() -> None:
    it = await world(2)
    it.edit("2", paused=True)
    await it.turns()
    assert it.condition.reason == Reason.PAUSED
    it.server.edit("ConfigMap", "settings", {"data": {"version": "x"}}, "td-acc0")
    await it.operator.reconcile(Cause.DRIFT, key=it.keys[0])
    assert it.versions == ["1", "1"]
    it.set(paused=False)
    await it.turns()
    assert it.versions == ["2", "2"]


async def test_a_person_pins_one_tenant_and_its_revision_is_kept() -> None:
    it = await world(2, templateRollout={"revisionHistoryLimit": 0})
    first = it.revisions[0]
    it.operator.change("TalkdeskTenant", "sentiment-acc0", {"spec": {"revision": first}})
    for version in ("2", "3"):
        it.edit(version)
        await it.turns()
    assert it.versions == ["1", "3"]
    assert it.revisions == [first, revision_name(it.app)]
    counts = it.app.status.tenants
    assert counts is not None
    assert (it.condition.status, counts.updated, counts.held) == ("True", 1, 1)
    it.operator.change("TalkdeskTenant", "sentiment-acc0", {"spec": {"revision": None}})
    await it.turns()
    assert it.versions == ["3", "3"]


async def test_a_revision_that_there_is_not_is_said_and_nothing_is_changed() -> None:
    it = await world(1)
    it.operator.change("TalkdeskTenant", "sentiment-acc0", {"spec": {"revision": "sentiment-none"}})
    await it.turns()
    assert it.versions == ["1"]
    status = it.server.get("TalkdeskInstallation", "sentiment-i0")["status"]
    (found,) = [each for each in status["conditions"] if each["type"] == "Ready"]
    assert (found["status"], "there is no revision sentiment-none" in found["message"]) == ("False", True)
    tenant = it.server.get("TalkdeskTenant", "sentiment-acc0")["status"]
    (ready,) = [each for each in tenant["conditions"] if each["type"] == "Ready"]
    assert (ready["reason"], tenant["revision"]) == ("TemplateInvalid", it.revisions[0])


async def test_a_revision_that_somebody_deleted_leaves_nobody_alone() -> None:
    it = await world(2)
    it.edit("2", paused=True)
    await it.turns()
    it.server.remove("ControllerRevision", it.revisions[0])
    it.operator.restart()
    with capture_logs() as logs:
        await it.operator.reconcile(Cause.RESYNC, key=it.keys[0])
    assert it.versions[0] == "2"
    assert "revision.missing" in {entry["event"] for entry in logs}


async def test_a_pinned_revision_that_is_missing_is_rolled_out_to_nobody() -> None:
    it = await world(2)
    it.edit("2", policy="Pinned", revision="sentiment-none")
    await it.turns()
    assert it.versions == ["1", "1"]
    assert it.condition.reason == Reason.TEMPLATE_INVALID


async def test_an_invalid_template_reaches_nobody_and_new_customers_get_the_one_before() -> None:
    it = await world(2)
    it.operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": template({"name": "a", "manifests": [{}]})}})
    await it.turns()
    assert it.versions == ["1", "1"]
    assert it.condition.reason == Reason.TEMPLATE_INVALID
    assert len(it.revisions) == 1
    it.server.put(installed(name="sentiment-i7", accountId="acc7", installationId="i7"))
    it.server.put(credentials_secret("keys-1", installation="sentiment-i7"))
    it.keys.append(AccountKey(HOME, "sentiment", "acc7"))
    await it.turns()
    assert it.versions == ["1", "1", "1"]


async def test_a_template_that_was_never_understood_has_no_revision() -> None:
    it = Customers(1)
    it.operator.change("TalkdeskApp", "sentiment", {"spec": {"tenant": template({"name": "a", "manifests": [{}]})}})
    await it.turns()
    assert it.revisions == []
    assert find(it.app.status.conditions, ConditionType.ROLLED_OUT) is None


async def test_old_revisions_go_but_for_the_last_ones() -> None:
    it = await world(1, templateRollout={"revisionHistoryLimit": 2})
    for version in "23456":
        it.edit(version)
        await it.turns()
    assert len(it.revisions) == 3
    assert it.revisions[-1] == it.app.status.current_revision
    numbers = [int(each["revision"]) for each in it.server.all("ControllerRevision")]
    assert numbers == [4, 5, 6]


async def test_a_revision_that_comes_back_keeps_its_number() -> None:
    it = await world(1)
    for version in "21":
        it.edit(version)
        await it.turns()
    assert len(it.revisions) == 2
    assert it.app.status.current_revision == it.revisions[0]


@pytest.mark.parametrize("error", [KubeForbidden, KubeUnreachable])
async def test_without_a_place_for_revisions_customers_are_served_and_nobody_is_moved(error: type[KubeError]) -> None:
    it = await world(2)
    it.edit("2")
    it.operator.journal.fail("POST controllerrevisions", error("no"))
    result = await it.operator.reconcile(key=APP)
    assert result.failed
    assert it.condition.status == "True"
    for key in it.keys:
        await it.operator.reconcile(key=key)
    assert it.versions == ["1", "1"]
    await it.turns()
    assert it.versions == ["2", "2"]


async def test_an_old_revision_that_can_not_be_deleted_holds_up_nothing() -> None:
    it = await world(1, templateRollout={"revisionHistoryLimit": 0})
    it.operator.journal.fail(f"DELETE controllerrevisions/{it.revisions[0]}", KubeUnreachable("no"))
    it.edit("2")
    with capture_logs() as logs:
        await it.turns()
    assert it.condition.status == "True"
    assert "revision.not_deleted" in {entry["event"] for entry in logs}


async def test_tenants_are_counted_at_most_once_a_minute_while_nothing_is_rolled_out() -> None:
    it = await world(1)
    result = await it.operator.reconcile(key=APP)
    assert 0 < min(each.after.total_seconds() for each in result.next) <= 60
    it.broken = {"acc0"}
    it.operator.now += min(each.after for each in result.next)
    it.operator.change("TalkdeskInstallation", "sentiment-i0", {"spec": {"paused": True}})
    await it.operator.reconcile(key=APP)
    counts = it.app.status.tenants
    assert counts is not None
    assert counts.held == 1


async def test_a_deleted_app_says_no_more_of_rollouts() -> None:
    it = await world(1)
    it.operator.change("TalkdeskApp", "sentiment", {"metadata": {"deletionTimestamp": to_wire_time(it.operator.now)}})
    it.operator.journal.clear()
    await it.operator.reconcile(key=APP)
    assert not [line for line in it.operator.journal.writes if "controllerrevisions" in line]


async def test_many_customers_are_moved_while_five_fail_and_back_again() -> None:
    it = await world(MANY)
    it.broken = {f"acc{number}" for number in (3, 9, 17, 28, 35)}
    it.edit("2", maxUnavailable="25%", pauseAfterFailures=5)
    await it.turns()
    assert it.condition.reason == Reason.TENANTS_FAILING
    counts = it.app.status.tenants
    assert counts is not None
    assert (counts.total, counts.failing) == (MANY, 5)
    assert all(f"sentiment-{name} (ApplyRefused)" in it.condition.message for name in it.broken)
    it.set(policy="Pinned", revision=it.revisions[0])
    await it.turns()
    assert it.versions == ["1"] * MANY
    assert it.condition.status == "True"
