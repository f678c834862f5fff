"""Answers that are due: what passes, what goes first."""

from datetime import UTC, datetime, timedelta

import pytest

from builders.conditions import condition, message, reason
from builders.stack import Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS
from talkdesk_sandbox.simulator import Behaviour, Settings

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
"""Never ready, as nobody here makes pods."""
STEPS = [
    {"name": "base", "manifests": [NAMESPACE, SETTINGS]},
    {"name": "never", "manifests": [DEPLOYMENT], "onOffboard": "Delete"},
]


@pytest.mark.case(32)
async def test_an_install_that_is_not_answered_in_time_lapses_and_a_repeat_finds_what_there_was(stacks: Stacks) -> None:
    deadline = {"answerWithin": "3s", "gracePeriod": "1s"}
    async with stacks(deadline=deadline, steps=STEPS) as talkdesk:
        talkdesk.behave(answer_within="3s")
        await _allow_deployments(talkdesk)
        acme = await talkdesk.install()
        talkdesk.may_wait.add(acme.account_id)
        talkdesk.may_delete.add(acme.account_id)
        held = await acme.until(lambda held: reason(held, "TenantReady") == "NotReady", "wait for its tenant")
        assert "Deployment" in message(held, "TenantReady")
        due = datetime.fromisoformat(held["status"]["deadline"])
        requested = datetime.fromisoformat(held["spec"]["request"]["eventTime"])
        assert due - requested == timedelta(seconds=3)

        await acme.until(lambda held: held["status"].get("phase") == "TimedOut", "time out")
        assert acme.posts() == []
        assert acme.at_talkdesk.state == "timeout"
        await acme.tenant_until(lambda held: held and held["spec"]["state"] == "Offboarded", "be retained")
        kept = await acme.live("ConfigMap", "settings")

        talkdesk.behave(answer_within="7d")
        await talkdesk.change_app(deadline={"answerWithin": "7d"}, tenant={"steps": STEPS[:1]})
        again = await acme.reinstall()
        await again.becomes("Active")

        now = await again.live("ConfigMap", "settings")
        assert kept is not None
        assert now is not None
        assert now["metadata"]["uid"] == kept["metadata"]["uid"]
        assert condition(again.installation, "Answered") == "True"


async def _allow_deployments(talkdesk: Stack) -> None:
    """Give the provisioner one right more."""
    name = f"deployments-{talkdesk.namespace}"
    kubectl, provisioner = talkdesk.platform.kubectl, f"{talkdesk.namespace}:tenant-provisioner"
    verbs = ("get", "list", "watch", "create", "patch", "delete")
    rights = [f"--verb={','.join(verbs)}", "--resource=deployments.apps"]
    await kubectl("create", "clusterrole", name, *rights)
    await kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={provisioner}")


@pytest.mark.case(33)
async def test_after_days_without_an_operator_the_nearest_deadline_goes_first(stacks: Stacks) -> None:
    behaviour = Behaviour(timestamp_form="milliseconds")
    settings = Settings(clock_offset=timedelta(days=-8), behaviour=behaviour)
    async with stacks(settings=settings) as talkdesk:
        platform = talkdesk.platform
        await platform.operator.kill()
        lapsed = await talkdesk.install()
        await talkdesk.simulator.move(timedelta(days=5))
        near = await talkdesk.install()
        await talkdesk.simulator.move(timedelta(days=3))
        fresh = await talkdesk.install()
        talkdesk.may_wait.add(lapsed.account_id)
        talkdesk.may_delete.add(lapsed.account_id)

        await platform.start_operator()
        await near.becomes("Active")
        await fresh.becomes("Active")
        await lapsed.until(lambda held: held["status"].get("phase") in {"TimedOut", "Purged"}, "lapse")

        ((first,), (second,)) = near.approvals(), fresh.approvals()
        assert first.sequence < second.sequence
        assert lapsed.posts() == []
        assert lapsed.tenant is None or lapsed.tenant["spec"]["state"] == "Offboarded"


@pytest.mark.case(35)
async def test_an_event_from_the_future_counts_from_when_it_came(stacks: Stacks) -> None:
    behaviour = Behaviour(timestamp_form="milliseconds")
    async with stacks(settings=Settings(clock_offset=timedelta(hours=2), behaviour=behaviour)) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("Active")
        await acme.uninstall()

        held = await acme.becomes("Uninstalled")

        assert datetime.fromisoformat(held["spec"]["request"]["eventTime"]) <= datetime.now(UTC)
