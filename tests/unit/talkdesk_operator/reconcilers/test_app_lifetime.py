"""An app that is deleted before its customers: it stays, says what is left, and goes after the last one."""

from datetime import timedelta
from typing import Any

import pytest

from builders.objects import DAY, HOUR, INSTALLATION, NOON, app_object, request_object
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
    template,
)
from talkdesk_crds.conditions import Reason
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import APP_FINALIZER
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeForbidden, KubeUnreachable

pytestmark = pytest.mark.case(90)
APP = AccountKey.of_app("team", "sentiment")
HOLD = "PATCH talkdeskapps/sentiment"
BARE: dict[str, Any] = {"finalizers": []}


def world(*objects: dict[str, Any], **spec: Any) -> OperatorInMemory:
    """A new app that has no finalizer yet, a new installation and its credentials."""
    app = app_object(tenant=template(), meta=BARE, **spec)
    return OperatorInMemory(app, *(objects or (installed(), credentials_secret())))


def delete_app(operator: OperatorInMemory) -> None:
    app = operator.server.get("TalkdeskApp", "sentiment")
    if app["metadata"].get("finalizers"):
        operator.change("TalkdeskApp", "sentiment", {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}})
    else:
        operator.server.remove("TalkdeskApp", "sentiment")


async def look(operator: OperatorInMemory) -> timedelta | None:
    """Reconcile the app once; return when it is looked at again."""
    result = await operator.reconcile(key=APP)
    return result.next[0].after if result.next else None


def blocked(operator: OperatorInMemory) -> str:
    found = operator.server.get("TalkdeskApp", "sentiment").get("status", {}).get("conditions", [])
    return next((each["message"] for each in found if each["type"] == "DeletionBlocked"), "")


async def deleted_with_customer(**spec: Any) -> OperatorInMemory:
    operator = world(**spec)
    await operator.converge()
    operator.now += DAY
    delete_app(operator)
    return operator


async def uninstall(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    await operator.converge()


async def test_an_app_is_held_before_anything_is_done_for_its_first_customer_and_once() -> None:
    operator = world()
    await operator.converge()
    assert operator.journal.writes[0] == HOLD
    assert operator.journal.writes.count(HOLD) == 1
    assert operator.server.get("TalkdeskApp", "sentiment")["metadata"]["finalizers"] == [APP_FINALIZER]


async def test_an_app_without_customers_is_not_held() -> None:
    ended = installed() | {"status": {"ending": {"reason": "Gone", "eventId": "event-1", "time": to_wire_time(NOON)}}}
    operator = world(ended)
    await operator.converge()
    await look(operator)
    assert HOLD not in operator.journal.writes
    assert operator.server.get("TalkdeskApp", "sentiment")["metadata"]["finalizers"] == []


@pytest.mark.parametrize("error", [KubeForbidden, KubeUnreachable])
async def test_a_customer_does_not_wait_for_the_finalizer(error: type[Exception]) -> None:
    operator = world()
    operator.journal.fail(HOLD, error("no"))
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.ACTIVE
    await operator.converge(Cause.RESYNC)
    assert operator.journal.writes.count(HOLD) == 1
    operator.change("TalkdeskApp", "sentiment", {"metadata": {"labels": {"a": "b"}}})
    await operator.converge()
    assert operator.journal.writes.count(HOLD) == 2


async def test_a_deleted_app_says_what_is_left_and_goes_after_the_last_customer() -> None:
    operator = await deleted_with_customer()
    assert await look(operator) == timedelta(seconds=5)
    assert "1 installations that have not ended, 1 tenants in use are left" in blocked(operator)
    assert [raw["reason"] for raw in operator.server.all("Event")].count(Reason.CUSTOMERS_LEFT) == 1
    operator.journal.clear()
    assert await look(operator) is not None
    assert operator.journal.writes == []
    await uninstall(operator)
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    await look(operator)
    assert "1 retained tenants are left" in blocked(operator)
    operator.now += 90 * DAY
    await operator.converge()
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert await look(operator) is None
    assert operator.server.find("TalkdeskApp", "sentiment") is None


async def test_other_finalizers_stay_and_nothing_is_written_again() -> None:
    operator = await deleted_with_customer()
    operator.change("TalkdeskApp", "sentiment", {"metadata": {"finalizers": [APP_FINALIZER, "other"]}})
    operator.watch()
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    operator.server.remove("TalkdeskTenant", TENANT)
    await look(operator)
    assert operator.server.get("TalkdeskApp", "sentiment")["metadata"]["finalizers"] == ["other"]
    await look(operator)
    operator.journal.clear()
    assert await look(operator) is None
    assert operator.journal.writes == []


@pytest.mark.case(44)
async def test_deletion_policy_delete_is_kept_though_the_app_was_deleted_first() -> None:
    operator = world(installed(deletionPolicy="Delete"), credentials_secret())
    await operator.converge()
    delete_app(operator)
    await look(operator)
    operator.change(
        "TalkdeskInstallation", INSTALLATION, {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    )
    await operator.converge()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
    assert operator.server.find("Namespace", SPACE) is None
    await look(operator)
    assert operator.server.find("TalkdeskApp", "sentiment") is None


@pytest.mark.case(40)
async def test_an_unclaimed_tenant_of_a_deleted_app_is_purged_when_its_retention_ends() -> None:
    operator = world()
    await operator.converge()
    await uninstall(operator)
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    delete_app(operator)
    await look(operator)
    assert operator.server.find("TalkdeskApp", "sentiment") is not None
    operator.now += 91 * DAY
    await operator.reconcile()
    assert operator.server.find("Namespace", SPACE) is None
    await look(operator)
    assert operator.server.find("TalkdeskApp", "sentiment") is None


async def test_nothing_is_provisioned_for_a_new_customer_of_a_deleted_app_until_the_app_is_there_again() -> None:
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret())
    delete_app(operator)
    await operator.converge()
    assert operator.reason() == "False/AppDeleting"
    assert operator.answers == []
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    operator.server.remove("TalkdeskApp", "sentiment")
    operator.server.put(app_object(tenant=template(), meta={"uid": "another"}))
    operator.now += HOUR
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.ACTIVE


async def test_a_customer_who_is_being_provisioned_is_answered_and_an_update_as_well() -> None:
    operator = await deleted_with_customer()
    operator.talkdesk.becomes("updating")
    operator.asks("Update", event="e2")
    await operator.converge()
    assert len(operator.answers) == 2


async def test_an_object_that_cannot_be_read_holds_the_app() -> None:
    operator = await deleted_with_customer()
    operator.server.remove("TalkdeskTenant", TENANT)
    raw = operator.server.get("TalkdeskInstallation", INSTALLATION)
    raw["spec"]["request"] = request_object("Unheard")
    raw["metadata"]["resourceVersion"] = "9000"
    operator.server.put_unchecked(raw)
    await look(operator)
    assert "1 accounts that can't be read are left" in blocked(operator)


async def test_many_customers_are_counted_without_keeping_the_others_waiting() -> None:
    others = [
        installed(name=f"sentiment-x{n}", accountId=f"x{n}", installationId=f"x{n}", meta={"uid": f"x{n}"})
        for n in range(600)
    ]
    operator = OperatorInMemory(sentiment(), *others)
    delete_app(operator)
    assert await look(operator) == timedelta(seconds=6)
    assert "600 installations" in blocked(operator)
