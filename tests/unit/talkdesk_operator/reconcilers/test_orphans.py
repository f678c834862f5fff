"""A live installation whose object a person deleted: its tenant says so, and finds its way back or to its end."""

from typing import Any

import pytest

from builders.objects import DAY, INSTALLATION, NOON, request_object
from builders.operator_in_memory import SPACE, TENANT, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.conditions import EventReason
from talkdesk_crds.installation import InstallationPhase
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(44)
OLDER = "sentiment-i0"


async def orphaned(*others: dict[str, Any]) -> OperatorInMemory:
    """A tenant in use, whose installation somebody deleted."""
    operator = OperatorInMemory(sentiment(), installed(), credentials_secret(), *others)
    await operator.converge()
    operator.now += DAY
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    operator.journal.clear()
    return operator


def reported(operator: OperatorInMemory) -> int:
    return sum(raw["reason"] == EventReason.ORPHANED for raw in operator.server.all("Event"))


async def test_an_orphan_says_so_once_and_its_objects_stay() -> None:
    operator = await orphaned()
    before = operator.server.get("Namespace", SPACE)
    await operator.converge()
    assert operator.tenant_reason("Orphaned") == "True/InstallationDeleted"
    assert operator.tenant_reason() == "True/Applied"
    assert reported(operator) == 1
    for cause in (Cause.RESYNC, Cause.STARTUP, Cause.WATCH):
        operator.restart()
        operator.journal.clear()
        await operator.converge(cause)
        assert operator.journal.lines == []
    assert operator.server.get("Namespace", SPACE) == before


async def test_an_orphan_says_so_also_beside_an_ended_installation_and_without_its_app() -> None:
    over = {"reason": "Rejected", "eventId": "e0", "time": "2026-03-01T12:00:00Z"}
    older = installed(name=OLDER, request=request_object(at=NOON - DAY, event="e0"), meta={"uid": "older"})
    operator = await orphaned(older | {"status": {"ending": over}})
    operator.server.remove("TalkdeskApp", "sentiment")
    await operator.converge()
    assert operator.tenant_reason("Orphaned") == "True/InstallationDeleted"
    assert reported(operator) == 1


async def test_an_installation_that_comes_back_ends_it() -> None:
    operator = await orphaned()
    await operator.converge()
    operator.server.put(installed(meta={"uid": "another"}))
    await operator.converge()
    assert operator.tenant_reason("Orphaned") == "none"
    assert operator.reason().startswith("True/")


@pytest.mark.parametrize("state", [{"state": "Offboarded"}, {"deletionTimestamp": True}], ids=["offboarded", "going"])
async def test_a_tenant_that_is_on_its_way_out_needs_no_owner(state: dict[str, Any]) -> None:
    operator = await orphaned()
    going = {"metadata": {"deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["other"]}}
    operator.change("TalkdeskTenant", TENANT, going if "deletionTimestamp" in state else {"spec": state})
    await operator.reconcile()
    assert operator.tenant_reason("Orphaned") == "none"


@pytest.mark.case(43)
async def test_an_uninstall_of_an_object_that_its_event_made_anew_uses_the_stored_credentials() -> None:
    operator = await orphaned()
    await operator.converge()
    operator.talkdesk.becomes("uninstalling")
    again = installed(request=request_object("Uninstall", at=operator.now, event="e2"), meta={"uid": "another"})
    del again["spec"]["credentials"]
    operator.server.put(again)
    await operator.converge()
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    assert operator.tenant.spec.state == "Offboarded"
    assert operator.tenant_reason("Orphaned") == "none"
    assert operator.server.find("Secret", "keys-1") is None


async def test_an_account_that_never_had_a_tenant_says_nothing() -> None:
    operator = OperatorInMemory(sentiment())
    await operator.reconcile(key=AccountKey("team", "sentiment", "nobody"))
    assert operator.journal.lines == []
