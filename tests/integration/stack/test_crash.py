"""The programs are killed between an effect and its record, at each such point; the next one finds out and continues.

A gate before the API server stops the operator exactly there. Then it gets SIGKILL, and a new one starts.
"""

from dataclasses import dataclass
from typing import Literal

import pytest
from typing_extensions import override

from builders.conditions import condition
from builders.kube_gate import Hold
from builders.serving import until
from builders.stack import Customer, Stack, Stacks
from talkdesk_crds.names import GROUP, LABEL_TENANT, VERSION
from talkdesk_runtime.kube import resource_path
from talkdesk_sandbox.simulator import commands
from talkdesk_sandbox.simulator.faults import Timeout

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.crash, pytest.mark.case(50)]

_OURS = f"/apis/{GROUP}/{VERSION}/namespaces/[^/]+"
_TENANTS = f"{_OURS}/talkdesktenants"
_TENANT = f"{_TENANTS}/APP-[^/]+"
_INSTALLATION = f"{_OURS}/talkdeskinstallations/APP-[^/]+"
_NAMESPACE = "/api/v1/namespaces/TENANT_NAMESPACE"
_CREDENTIALS = "/api/v1/namespaces/[^/]+/secrets/APP-[^/]+"


@dataclass(frozen=True)
class Point:
    """A request of the operator, and whether the operator is killed before or after its effect."""

    name: str
    when: Literal["before", "after"]
    method: str
    path: str
    skip: int = 0

    @override
    def __str__(self) -> str:
        return self.name


INSTALL = (
    Point("Talkdesk was read", "before", "POST", _TENANTS),
    Point("the TalkdeskTenant is created", "after", "POST", _TENANTS),
    Point("the namespace is created", "after", "PATCH", _NAMESPACE),
    Point("in the middle of the applies", "after", "PATCH", f"{_NAMESPACE}/configmaps/settings"),
    Point("all is applied but not recorded", "before", "PATCH", f"{_TENANT}/status"),
    Point("the tenant's status is written", "after", "PATCH", f"{_TENANT}/status"),
    Point("Talkdesk has the answer but it is not recorded", "before", "PATCH", f"{_INSTALLATION}/status"),
    Point("everything is recorded", "after", "PATCH", f"{_INSTALLATION}/status"),
)
UNINSTALL = (
    Point("the tenant is marked as offboarded", "after", "PATCH", _TENANT),
    Point("in the middle of the offboarding", "after", "DELETE", f"{_NAMESPACE}/secrets/talkdesk"),
    Point("the retention is not recorded", "before", "PATCH", f"{_TENANT}/status"),
    Point("the sending of the answer is recorded", "after", "PATCH", f"{_INSTALLATION}/status"),
    Point("Talkdesk has the answer but it is not recorded", "before", "PATCH", f"{_INSTALLATION}/status", skip=1),
    Point("the end is recorded", "after", "PATCH", f"{_INSTALLATION}/status", skip=1),
    Point("the credentials are deleted but it is not recorded", "after", "DELETE", _CREDENTIALS),
)
PURGE = (
    Point("in the middle of the purge", "after", "DELETE", f"{_NAMESPACE}/configmaps/settings"),
    Point("the namespace is being deleted", "after", "DELETE", _NAMESPACE),
    Point("only the TalkdeskTenant is left", "before", "DELETE", _TENANT),
    Point("the TalkdeskTenant is deleted", "after", "DELETE", _TENANT),
    Point("personal data is erased but it is not recorded", "after", "PATCH", _INSTALLATION),
)

ROTATION = (
    Point("the tenant has the new credential version but it is not recorded", "before", "PATCH", f"{_TENANT}/status"),
    Point("the rotation is acknowledged and the previous version not deleted", "before", "DELETE", _CREDENTIALS),
    Point("the previous version is deleted but it is not recorded", "before", "PATCH", f"{_INSTALLATION}/status"),
)
SUSPENSION = (
    Point("the tenant is marked as suspended", "after", "PATCH", _TENANT),
    Point("the suspended tenant is applied but not recorded", "before", "PATCH", f"{_TENANT}/status"),
    Point("the suspension is not recorded", "before", "PATCH", f"{_INSTALLATION}/status"),
)


@pytest.mark.parametrize("point", INSTALL, ids=str)
async def test_an_install_continues_after_a_crash(stacks: Stacks, point: Point) -> None:
    async with stacks() as talkdesk:
        account_id = talkdesk.app_id
        hold = _hold(talkdesk, point, account_id)
        acme = await talkdesk.install(account_id=account_id)
        await hold.reached()

        await _crash(talkdesk)

        obj = await acme.becomes("Active")
        assert condition(obj, "Answered") == "True"
        assert acme.at_talkdesk.answers == ["approve:completed"]
        assert len(acme.answer_calls()) == 1
        await _inventory_is_complete(acme, {"Namespace", "ConfigMap", "Secret"})


async def test_an_answer_that_talkdesk_accepted_while_the_operator_crashed_is_not_repeated(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        talkdesk.simulator.faults.set(Timeout(route="POST /apps/*/state", seconds=60, count=1))
        acme = await talkdesk.install()
        await until(lambda: len(acme.approvals()) == 1, within=90)

        await _crash(talkdesk)

        await acme.becomes("Active")
        assert len(acme.answer_calls()) == 1


@pytest.mark.parametrize("point", UNINSTALL, ids=str)
async def test_an_uninstall_continues_after_a_crash(stacks: Stacks, point: Point) -> None:
    async with stacks(uninstall={"confirmAfter": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        hold = _hold(talkdesk, point, acme.account_id)
        await acme.uninstall()
        await hold.reached()

        await _crash(talkdesk)

        await acme.becomes("Uninstalled")
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:uninstalled"]
        assert await acme.credential_secrets() == []
        await _inventory_is_complete(acme, {"Namespace", "ConfigMap"})


@pytest.mark.case(20, 63)
@pytest.mark.parametrize("point", ROTATION, ids=str)
async def test_a_rotation_continues_after_a_crash(stacks: Stacks, point: Point) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        hold = _hold(talkdesk, point, acme.account_id)
        talkdesk.simulator.rotate(commands.Rotate(installation=acme.installation_id))
        await hold.reached()

        await _crash(talkdesk)

        (event,) = acme.events("app.credentials_rotated")
        await acme.until_acknowledged(event.id)
        obj = await acme.becomes("Active")
        (stored,) = await acme.credential_secrets()
        assert stored["metadata"]["name"] == obj["spec"]["credentials"]["secretName"]
        assert await acme.tenant_client_id() == event.document["data"]["client_id"]


@pytest.mark.case(42)
@pytest.mark.parametrize("point", SUSPENSION, ids=str)
async def test_a_suspension_continues_after_a_crash(stacks: Stacks, point: Point) -> None:
    async with stacks() as talkdesk:
        acme = await talkdesk.install(subscription=commands.SubscriptionSpec(type="trial"))
        await acme.until_on_trial()
        await acme.becomes("Active")
        hold = _hold(talkdesk, point, acme.account_id)
        end = commands.TrialCommand(installation=acme.installation_id, action="end")
        await talkdesk.delivered(talkdesk.simulator.trial(end))
        await hold.reached()

        await _crash(talkdesk)

        await acme.becomes("Suspended")
        assert acme.tenant is not None
        assert acme.tenant["spec"]["state"] == "Suspended"
        await _inventory_is_complete(acme, {"Namespace", "ConfigMap", "Secret"})


async def test_a_rejection_that_was_sent_but_not_recorded_is_found_at_talkdesk(stacks: Stacks) -> None:
    point = Point("Talkdesk has the rejection but it is not recorded", "before", "PATCH", f"{_INSTALLATION}/status")
    async with stacks(approval={"rejectWhen": [{"expression": "true", "reason": "closed"}]}) as talkdesk:
        hold = _hold(talkdesk, point, "")
        acme = await talkdesk.install()
        await hold.reached()

        await _crash(talkdesk)

        await acme.becomes("Rejected")
        assert acme.at_talkdesk.answers == ["reject:rejected"]
        assert len(acme.answer_calls()) == 1


@pytest.mark.case(17)
async def test_an_update_that_was_approved_but_not_recorded_is_approved_only_once(stacks: Stacks) -> None:
    point = Point(
        "Talkdesk has the approval but it is not recorded", "before", "PATCH", f"{_INSTALLATION}/status", skip=1
    )
    async with stacks() as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        hold = _hold(talkdesk, point, acme.account_id)
        update = commands.Update(installation=acme.installation_id, plan="Gold")
        await talkdesk.delivered(talkdesk.simulator.update(update))
        await hold.reached()

        await _crash(talkdesk)

        # Within one second Talkdesk's times can't tell the two answers apart; a minute later it is clear.
        obj = await acme.becomes("Active", within=120)
        assert obj["status"]["answer"]["eventId"] == obj["spec"]["request"]["eventId"]
        assert acme.at_talkdesk.answers == ["approve:completed", "approve:completed"]


@pytest.mark.parametrize("point", PURGE, ids=str)
async def test_a_purge_continues_after_a_crash(stacks: Stacks, point: Point) -> None:
    async with stacks(retention={"keepFor": "1s"}) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        hold = _hold(talkdesk, point, acme.account_id)
        await acme.uninstall(reason="Words.")
        await hold.reached()

        await _crash(talkdesk)

        obj = await acme.becomes("Purged")
        assert acme.tenant is None
        assert await acme.live("Namespace") is None
        assert await _labelled(acme) == {}
        assert "accountName" not in obj["spec"]
        assert "reason" not in obj["spec"]["request"]


@pytest.mark.case(1, 12)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_webhook_that_crashes_before_its_response_gets_the_event_again(
    stacks: Stacks, when: Literal["before", "after"]
) -> None:
    async with stacks() as talkdesk:
        platform = talkdesk.platform
        path = f"{_OURS}/talkdeskinstallations"
        hold = platform.gates["webhook"].hold("POST", path, when)
        acme = await talkdesk.install(deliver=False)
        (event,) = acme.events()
        talkdesk.simulator.deliver(event)
        await hold.reached()

        await platform.programs["webhook"].kill()
        await talkdesk.simulator.dispatcher.drain()
        await platform.start_webhook()
        await talkdesk.simulator.move(talkdesk.simulator.state.behavior.retry_delays[0])

        await acme.becomes("Active")
        assert [attempt.status for attempt in talkdesk.simulator.dispatcher.log[0].attempts] == [None, 200]
        assert len(acme.answer_calls()) == 1
        assert len(await acme.credential_secrets()) == 1


def _hold(talkdesk: Stack, point: Point, account_id: str) -> Hold:
    path = point.path.replace("APP", talkdesk.app).replace("TENANT_NAMESPACE", f"td-{talkdesk.namespace}-{account_id}")
    return talkdesk.platform.gate.hold(point.method, path, point.when, skip=point.skip)


async def _crash(talkdesk: Stack) -> None:
    await talkdesk.platform.operator.kill()
    await talkdesk.platform.start_operator()


async def _inventory_is_complete(acme: Customer, kinds: set[str]) -> None:
    """Check by uid that the inventory has exactly the objects that exist."""
    assert acme.tenant is not None
    inventory = {item["uid"]: item["kind"] for item in acme.tenant["status"]["inventory"]}
    assert set(inventory.values()) == kinds
    assert inventory == await _labelled(acme)


async def _labelled(acme: Customer) -> dict[str, str]:
    """Return uid and kind of all objects in the cluster with the tenant's label."""
    found: dict[str, str] = {}
    for kind, plural in {"Namespace": "namespaces", "ConfigMap": "configmaps", "Secret": "secrets"}.items():
        query = {"labelSelector": f"{LABEL_TENANT}={acme.tenant_name}"}
        listing = await acme.stack.platform.kube.request("GET", resource_path("", "v1", plural), query=query)
        found |= {item["metadata"]["uid"]: kind for item in listing["items"]}
    return found
