"""Deadlines of answers: what happens when one passes, and which request is served first."""

from datetime import UTC, datetime, timedelta

import pytest

from builders.conditions import condition, message, reason
from builders.stack import Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS
from talkdesk_sandbox.simulator import Behavior, Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATOR = {"WORKERS": "1"}
POD = {
    "metadata": {"labels": {"app": "never"}},
    "spec": {"containers": [{"name": "app", "image": "example.com/app"}]},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "never", "namespace": "${tenant.name}"},
    "spec": {"selector": {"matchLabels": {"app": "never"}}, "template": POD},
}
"""A Deployment that never becomes ready, because this cluster creates no pods."""
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "never", "manifests": [DEPLOYMENT], "onOffboard": "Delete"},
]


@pytest.mark.case(32)
async def test_an_install_not_answered_in_time_times_out_and_a_reinstall_finds_the_retained_objects(
    stacks: Stacks,
) -> None:
    deadline = {"answerWithin": "3s", "gracePeriod": "1s"}
    async with stacks(deadline=deadline, steps=STEPS[:1]) as talkdesk:
        talkdesk.behave(answer_within="3s")
        await _allow_deployments(talkdesk)
        await talkdesk.change_app(tenant={"steps": STEPS})
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)
        talkdesk.may_lose_objects.add(acme.account_id)
        obj = await acme.until(lambda obj: reason(obj, "TenantReady") == "NotReady", "wait for its tenant")
        assert "Deployment" in message(obj, "TenantReady")
        due = datetime.fromisoformat(obj["status"]["deadline"])
        requested = datetime.fromisoformat(obj["spec"]["request"]["eventTime"])
        assert due - requested == timedelta(seconds=3)

        await acme.until(lambda obj: obj["status"].get("phase") == "TimedOut", "time out")
        assert acme.answer_calls() == []
        assert acme.at_talkdesk.state == "timeout"
        await acme.tenant_until(lambda obj: obj and obj["spec"]["state"] == "Offboarded", "be retained")
        retained = await acme.uid("ConfigMap", "settings")

        talkdesk.behave(answer_within="7d")
        await talkdesk.change_app(deadline={"answerWithin": "7d"}, tenant={"steps": STEPS[:1]})
        again = await acme.reinstall()
        await again.becomes("Active")

        assert await again.uid("ConfigMap", "settings") == retained
        assert condition(again.installation, "Answered") == "True"


async def _allow_deployments(talkdesk: Stack) -> None:
    """Let the provisioner create Deployments too."""
    name = f"deployments-{talkdesk.namespace}"
    kubectl, provisioner = talkdesk.platform.kubectl, f"{talkdesk.namespace}:tenant-provisioner"
    verbs = ("get", "list", "watch", "create", "patch", "delete")
    rights = [f"--verb={','.join(verbs)}", "--resource=deployments.apps"]
    await kubectl("create", "clusterrole", name, *rights)
    await kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={provisioner}")


@pytest.mark.case(33)
async def test_after_days_without_an_operator_the_nearest_deadline_is_served_first(stacks: Stacks) -> None:
    behavior = Behavior(timestamp_form="milliseconds")
    settings = Settings(clock_offset=timedelta(days=-8), behavior=behavior)
    async with stacks(settings=settings) as talkdesk:
        platform = talkdesk.platform
        await platform.operator.kill()
        expired = await talkdesk.install()
        await talkdesk.simulator.move(timedelta(days=5))
        near = await talkdesk.install()
        await talkdesk.simulator.move(timedelta(days=3))
        fresh = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(expired.account_id)
        talkdesk.may_lose_objects.add(expired.account_id)

        await platform.start_operator()
        await near.becomes("Active")
        await fresh.becomes("Active")
        await expired.until(lambda obj: obj["status"].get("phase") in {"TimedOut", "Purged"}, "time out")

        ((first,), (second,)) = near.approvals(), fresh.approvals()
        assert first.sequence < second.sequence
        assert expired.answer_calls() == []
        assert expired.tenant is None or expired.tenant["spec"]["state"] == "Offboarded"


@pytest.mark.case(35)
async def test_an_event_with_a_future_time_gets_the_time_of_its_arrival(stacks: Stacks) -> None:
    behavior = Behavior(timestamp_form="milliseconds")
    async with stacks(settings=Settings(clock_offset=timedelta(hours=2), behavior=behavior)) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()

        obj = await acme.becomes("Uninstalled")

        assert datetime.fromisoformat(obj["spec"]["request"]["eventTime"]) <= datetime.now(UTC)
