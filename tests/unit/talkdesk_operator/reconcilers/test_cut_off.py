"""An edit of the app cuts live customers off: it is seen with the first reconcile, not at the next resync."""

from typing import Any

import pytest

from builders.objects import HOUR, INSTALLATION
from builders.operator_in_memory import OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.ports.scim import Failed
from talkdesk_operator.domain.ports.scim_errors import ScimTaken
from talkdesk_operator.domain.ports.talkdesk import TalkdeskUnauthorized, TalkdeskUnavailable
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(28)
EVENTS = {"api": "https://api.talkdeskapp.com", "token": "https://acme.talkdeskid.com/oauth/token"}
ELSEWHERE: dict[str, Any] = {
    "region": None,
    "endpoints": {"api": "https://api.example.com", "token": "https://{account}.example.com/oauth/token"},
}
SCIM: dict[str, Any] = {"scim": {"url": "https://app.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}}
TOKEN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "scim", "namespace": "team", "annotations": {ANNOTATION_FOR_HOSTS: "*.example.com"}},
    "data": {"token": "bWFkZS11cA=="},
}
NO_HOSTS: dict[str, Any] = {
    "region": None,
    "endpoints": {"api": "http://api.example.com", "token": "https://{account}.example.com/oauth/token"},
}


async def active(**fields: Any) -> OperatorInMemory:
    operator = OperatorInMemory(sentiment(), installed(**fields), credentials_secret())
    await operator.converge()
    assert operator.reason() == "True/Succeeded"
    operator.now += HOUR
    operator.journal.clear()
    return operator


def asked(operator: OperatorInMemory) -> int:
    return sum(line.startswith("ASK") for line in operator.journal.lines)


@pytest.mark.parametrize(
    ("fields", "spec", "reason"),
    [
        ({"endpoints": EVENTS}, ELSEWHERE, "False/ForeignHost"),
        ({}, NO_HOSTS, "False/TemplateInvalid"),
    ],
    ids=["links to other hosts", "no hosts"],
)
async def test_hosts_that_an_installation_cannot_be_called_at_are_seen_without_a_call(
    fields: dict[str, Any], spec: dict[str, Any], reason: str
) -> None:
    operator = await active(**fields)
    operator.change("TalkdeskApp", "sentiment", {"spec": spec})
    await operator.converge()
    assert operator.reason() == reason
    operator.change("TalkdeskApp", "sentiment", {"spec": {"region": "US", "endpoints": None}})
    await operator.converge()
    assert operator.reason() == "True/Succeeded"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TalkdeskUnauthorized("unknown client"), "False/CredentialsRefused"),
        (TalkdeskUnavailable("no such host"), "False/TalkdeskUnavailable"),
    ],
)
@pytest.mark.parametrize("spec", [ELSEWHERE, {"auth": {"method": "Basic"}}], ids=["hosts", "scopes"])
async def test_an_access_that_fails_is_seen_at_once_and_retried(
    error: Exception, reason: str, spec: dict[str, Any]
) -> None:
    operator = await active()
    operator.journal.fail("ASK installation.*", error, count=2)
    operator.change("TalkdeskApp", "sentiment", {"spec": spec})
    await operator.converge()
    assert operator.reason() == reason
    assert operator.installation.status.retry is not None
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.reason() == reason
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.reason() == "True/Succeeded"
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.lines == []


async def test_an_access_that_works_is_tried_once() -> None:
    operator = await active()
    operator.change("TalkdeskApp", "sentiment", {"spec": {"auth": {"method": "Basic"}}})
    await operator.converge()
    assert asked(operator) > 0
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.lines == []


async def test_another_edit_asks_nothing() -> None:
    operator = await active()
    operator.change("TalkdeskApp", "sentiment", {"spec": {"resyncPeriod": "20m"}})
    await operator.converge()
    assert operator.journal.lines == []


@pytest.mark.case(74)
async def test_a_service_of_users_that_cannot_be_used_is_seen_at_once() -> None:
    operator = await active()
    scim = {"scim": {"url": "https://app.example.com", "tokenSecretRef": {"name": "none", "key": "token"}}}
    operator.change("TalkdeskApp", "sentiment", {"spec": {"users": scim}})
    await operator.converge()
    assert operator.reason().startswith("False/")
    assert operator.installation.status.retry is not None
    operator.change("TalkdeskApp", "sentiment", {"spec": {"users": None}})
    operator.now += HOUR
    await operator.converge()
    assert operator.reason() == "True/Succeeded"


async def test_what_was_never_proven_is_proven_at_the_next_read() -> None:
    operator = await active()
    operator.server.edit("TalkdeskInstallation", INSTALLATION, {"status": {"verifiedAccess": None}})
    await operator.converge()
    assert operator.installation.status.verified_access is None
    await operator.converge(Cause.RESYNC)
    assert operator.installation.status.verified_access is not None


@pytest.mark.case(74)
async def test_users_whom_the_service_refuses_after_an_edit_are_told_at_once() -> None:
    operator = await active()
    operator.scim.answer = lambda _: Failed(ScimTaken("the user name is taken"))
    operator.server.put(TOKEN)
    operator.change("TalkdeskApp", "sentiment", {"spec": {"users": SCIM}})
    await operator.converge()
    assert (operator.reason(), operator.reason("UsersSynced")) == ("True/Succeeded", "False/UsersFailed")
    assert [raw["reason"] for raw in operator.server.all("Event") if raw["type"] == "Warning"] == ["UsersFailed"]


@pytest.mark.parametrize("uninstalled", [False, True])
async def test_an_installation_that_is_not_known_at_edited_hosts_has_not_ended(*, uninstalled: bool) -> None:
    operator = await active()
    there, operator.talkdesk.remote = operator.talkdesk.remote, None
    operator.change("TalkdeskApp", "sentiment", {"spec": ELSEWHERE})
    if uninstalled:
        operator.asks("Uninstall", event="uninstall-1")
    for _ in range(4):
        await operator.converge(Cause.RETRY)
        operator.now += HOUR
    assert operator.reason() == "False/NotFoundAfterEdit"
    assert operator.installation.status.ending is None
    assert operator.server.find("Secret", "keys-1") is not None
    operator.talkdesk.remote = there
    await operator.converge(Cause.RETRY)
    if not uninstalled:
        assert operator.reason() == "True/Succeeded"
    # Found there, the place is proven: what is not found there afterwards is gone.
    operator.talkdesk.remote = None
    for _ in range(4):
        operator.now += HOUR
        await operator.converge(Cause.RESYNC)
    assert operator.installation.status.phase in {InstallationPhase.GONE, InstallationPhase.UNINSTALLED}
