"""Users of a customer who leaves, while the SCIM service fails: on every way out they are retried until inactive."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from builders.objects import DAY, HOUR, INSTALLATION, trial_object
from builders.operator_in_memory import TENANT, OperatorInMemory, credentials_secret, installed, sentiment
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import InstallationPhase
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, ANNOTATION_KEEP_USERS
from talkdesk_operator.domain.ports.scim import Deactivate, Done, Failed, Order, Ref, Result
from talkdesk_operator.domain.ports.scim_errors import ScimError, ScimRefused, ScimUnavailable
from talkdesk_operator.workqueue.contract import Cause

pytestmark = pytest.mark.case(74)

SCIM = {"url": "https://scim.example.com/${tenant.name}", "tokenSecretRef": {"name": "scim", "key": "token"}}
TOKEN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "scim", "namespace": "team", "annotations": {ANNOTATION_FOR_HOSTS: "*.example.com"}},
    "data": {"token": "bWFkZS11cA=="},
}
USERS = ("u1", "u2", "u3")


@dataclass
class Directory:
    """A SCIM service that refuses some users for a while."""

    active: dict[str, bool] = field(default_factory=dict)
    refused: dict[str, ScimError] = field(default_factory=dict)

    def carry_out(self, order: Order) -> Result:
        error = self.refused.get(order.external_id)
        if error is not None:
            return Failed(error)
        self.active[order.external_id] = not isinstance(order, Deactivate)
        return Done(Ref(f"p-{order.external_id}"))


Way: TypeAlias = Callable[[OperatorInMemory], Awaitable[None]]


async def uninstall(operator: OperatorInMemory) -> None:
    operator.talkdesk.becomes("uninstalling", operator.now)
    operator.asks("Uninstall", event="e2")


async def end_of_trial(operator: OperatorInMemory) -> None:
    trial = trial_object("Ended", at=operator.now, endedReason="trial_expired")
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"trial": trial}})


async def deletion(operator: OperatorInMemory) -> None:
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}, "spec": {"deletionPolicy": "Delete"}}
    operator.change("TalkdeskInstallation", INSTALLATION, moment)


WAYS: dict[str, Way] = {"uninstall": uninstall, "trial": end_of_trial, "deletion": deletion}


async def active(directory: Directory, scim: dict[str, Any] = SCIM) -> OperatorInMemory:
    app = sentiment(users={"scim": scim}, trial={"onEnd": "Offboard"}, retention={"keepFor": "1d"}, resyncPeriod="2d")
    operator = OperatorInMemory(app, installed(), credentials_secret(), TOKEN)
    operator.talkdesk.plan = None
    operator.scim.answer = directory.carry_out
    await operator.converge()
    assert directory.active == dict.fromkeys(USERS, True)
    operator.now += HOUR
    return operator


MINUTES = timedelta(minutes=15)


async def long(operator: OperatorInMemory) -> None:
    """Let so much time pass that the retention is over; what comes in between would be the same again and again."""
    await live(operator, MINUTES)
    operator.now += 3 * DAY
    await live(operator, MINUTES)


async def live(operator: OperatorInMemory, span: timedelta) -> None:
    """Let time pass, with a reconcile whenever the last one asked for it."""
    ends, cause = operator.now + span, Cause.WATCH
    while operator.now <= ends:
        result = await operator.reconcile(cause)
        operator.now += max(min((each.after for each in result.next), default=span), timedelta(milliseconds=1))
        cause = Cause.RETRY


def records(operator: OperatorInMemory) -> list[dict[str, Any]]:
    return [raw for raw in operator.server.all("Secret") if raw["metadata"]["name"].startswith(TENANT)]


@pytest.mark.parametrize("error", [ScimRefused("m", kind="400"), ScimUnavailable("m", kind="503")], ids=["400", "503"])
@pytest.mark.parametrize("refused", [USERS[:1], USERS], ids=["one", "all"])
@pytest.mark.parametrize("way", WAYS)
async def test_users_are_retried_until_inactive_and_nothing_about_them_is_forgotten_before(
    way: str, refused: tuple[str, ...], error: ScimError
) -> None:
    directory = Directory()
    operator = await active(directory)
    directory.refused = dict.fromkeys(refused, error)
    await WAYS[way](operator)
    await long(operator)
    assert [user for user, on in directory.active.items() if on] == list(refused)
    assert operator.reason() in {"False/UsersFailed", "False/ScimUnavailable"}
    assert operator.tenant_reason() in {"False/UsersFailed", "False/ScimUnavailable"}
    assert records(operator)
    assert operator.installation.status.retry is not None
    if way == "uninstall":
        assert operator.reason("UsersSynced") in {"False/UsersFailed", "False/ScimUnavailable"}
        assert operator.installation.status.phase is InstallationPhase.UNINSTALLED
    directory.refused.clear()
    await live(operator, HOUR)
    assert not any(directory.active.values())
    assert not records(operator)
    assert operator.server.find("TalkdeskTenant", TENANT) is None


@pytest.mark.parametrize("way", WAYS)
async def test_a_service_that_is_gone_for_good_holds_nothing_up_once_a_person_says_so(way: str) -> None:
    directory = Directory()
    operator = await active(directory)
    directory.refused = dict.fromkeys(USERS, ScimUnavailable("m", kind="503"))
    await WAYS[way](operator)
    await long(operator)
    operator.change("TalkdeskTenant", TENANT, {"metadata": {"annotations": {ANNOTATION_KEEP_USERS: "true"}}})
    await live(operator, HOUR)
    assert all(directory.active.values())
    assert not records(operator)
    assert operator.server.find("TalkdeskTenant", TENANT) is None


async def test_an_uninstall_waits_for_users_only_until_the_offboard_timeout() -> None:
    directory = Directory()
    operator = await active(directory)
    directory.refused = dict.fromkeys(USERS, ScimRefused("m", kind="400"))
    await uninstall(operator)
    await live(operator, timedelta(minutes=8))
    assert operator.talkdesk.effects == ["Approve installing"]
    await live(operator, timedelta(minutes=30))
    assert operator.talkdesk.effects == ["Approve installing", "Approve uninstalling"]
    directory.refused.clear()
    await live(operator, HOUR)
    assert not any(directory.active.values())
    assert operator.reason() == "False/Uninstalled"


async def test_a_tenant_without_an_installation_is_not_purged_while_a_user_may_be_active() -> None:
    directory = Directory()
    operator = await active(directory)
    directory.refused = dict.fromkeys(USERS, ScimRefused("m", kind="400"))
    await uninstall(operator)
    await live(operator, HOUR)
    operator.server.remove("TalkdeskInstallation", INSTALLATION)
    await long(operator)
    assert operator.tenant_reason() == "False/UsersFailed"
    assert records(operator)
    directory.refused.clear()
    await live(operator, HOUR)
    assert not any(directory.active.values())
    assert operator.server.find("TalkdeskTenant", TENANT) is None


async def test_a_purge_that_a_person_asked_for_waits_for_users_too() -> None:
    directory = Directory()
    operator = await active(directory)
    directory.refused = dict.fromkeys(USERS[:1], ScimRefused("m", kind="400"))
    await uninstall(operator)
    await live(operator, HOUR)
    operator.change("TalkdeskTenant", TENANT, {"spec": {"purge": {"requestedBy": "sam"}}})
    await live(operator, HOUR)
    assert records(operator)
    directory.refused.clear()
    await live(operator, HOUR)
    assert not any(directory.active.values())
    assert operator.server.find("TalkdeskTenant", TENANT) is None


async def test_users_are_not_forgotten_when_somebody_deleted_the_record_of_their_tenant() -> None:
    directory = Directory()
    # What a tenant is called is not known without its record.
    operator = await active(directory, SCIM | {"url": "https://scim.example.com/${account.id}"})
    directory.refused = dict.fromkeys(USERS[:1], ScimRefused("m", kind="400"))
    await uninstall(operator)
    await live(operator, MINUTES)
    operator.server.remove("TalkdeskTenant", TENANT)
    await live(operator, HOUR)
    assert operator.reason() == "False/UsersFailed"
    assert records(operator)
    directory.refused.clear()
    await live(operator, HOUR)
    assert not any(directory.active.values())
    await live(operator, 91 * DAY)
    assert operator.server.find("TalkdeskTenant", TENANT) is None
    assert not records(operator)
