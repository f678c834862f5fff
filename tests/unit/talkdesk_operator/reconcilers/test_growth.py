"""What a resync and an edit of an app cost: in requests, for an installation that is in order."""

from datetime import timedelta
from typing import Any

import pytest

from builders.objects import INSTALLATION
from builders.operator_in_memory import SPACE, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_operator.workqueue.contract import Cause

HOUR = timedelta(hours=1)


async def in_order(*objects: dict[str, Any]) -> OperatorInMemory:
    it = OperatorInMemory(*objects)
    await it.converge()
    assert it.reason() == "True/Succeeded"
    return it


def lines(it: OperatorInMemory, *parts: str) -> list[str]:
    return [line for line in it.journal.lines if all(part in line for part in parts)]


async def resync(it: OperatorInMemory) -> None:
    it.journal.clear()
    it.now += HOUR
    await it.converge(Cause.RESYNC)


@pytest.mark.case(76)
async def test_a_resync_lists_no_secrets_for_each_installation_and_applies_only_what_no_watch_shows() -> None:
    it = await in_order()
    await resync(it)
    assert len(lines(it, "LIST")) <= 1, "for all installations of the namespace together"
    assert [line for line in it.journal.writes if "secrets" not in line] == []
    it.now += timedelta(minutes=5)
    it.journal.clear()
    await it.converge(Cause.RESYNC)
    assert lines(it, "LIST") == []


@pytest.mark.case(76)
async def test_a_resync_applies_again_what_somebody_changed_and_what_no_watch_shows() -> None:
    it = await in_order()
    it.server.edit("ConfigMap", "account", {"data": {"company": "another"}}, SPACE)
    await resync(it)
    assert len(lines(it, "configmaps")) == 1
    it.watches_tenants = False
    await resync(it)
    assert lines(it, "configmaps")
    assert lines(it, "namespaces")


async def test_who_asks_for_a_reconcile_gets_everything_applied_and_its_secrets_listed() -> None:
    it = await in_order()
    it.journal.clear()
    it.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"annotations": {"x/y": "1"}}})
    await it.converge()
    assert it.journal.lines == []
    it.change(
        "TalkdeskInstallation",
        INSTALLATION,
        {"metadata": {"annotations": {"appconnect.talkdesk.dev/reconcile-requested-at": "now"}}},
    )
    await it.converge()
    assert lines(it, "namespaces")
    assert lines(it, "LIST")


async def test_a_version_that_a_late_event_left_behind_is_found_by_the_listing_for_all() -> None:
    it = await in_order()
    it.server.put(credentials_secret("keys-0", event_time=it.now - timedelta(days=1)))
    await resync(it)
    assert it.server.find("Secret", "keys-0") is None
    assert it.server.find("Secret", "keys-1") is not None


@pytest.mark.case(76)
@pytest.mark.parametrize(
    "edit",
    [
        {"resyncPeriod": "2h"},
        {"approval": {"onTenantFailure": "Reject"}},
        {"retention": {"keepFor": "31d"}},
        {"uninstall": {"offboardTimeout": "2h"}},
        {"events": {"signatureVerification": "Disabled"}},
    ],
)
async def test_an_edit_that_no_template_sees_costs_no_request_of_its_accounts(edit: dict[str, Any]) -> None:
    it = await in_order()
    it.change("TalkdeskApp", "sentiment", {"spec": edit})
    it.journal.clear()
    await it.converge()
    assert it.journal.lines == []


async def test_an_edit_of_one_manifest_applies_that_object_and_no_other_that_a_watch_shows() -> None:
    it = await in_order(sentiment(), installed(), credentials_secret())
    steps = it.server.get("TalkdeskApp", "sentiment")["spec"]["tenant"]["steps"]
    for step in steps:
        for manifest in step["manifests"]:
            if manifest["kind"] == "ConfigMap":
                manifest["data"] = {"company": "changed"}
    it.change("TalkdeskApp", "sentiment", {"spec": {"tenant": {"steps": steps}}})
    it.journal.clear()
    await it.converge()
    assert it.server.get("ConfigMap", "account", SPACE)["data"] == {"company": "changed"}
    assert lines(it, "namespaces") == []
