"""What Talkdesk is told: by a person, by rules, by a failure, or by nobody in time."""

import pytest

from builders.conditions import condition, message, reason
from builders.stack import APP, Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS
from builders.watched import Object
from talkdesk_runtime.kube_errors import KubeInvalid
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANUAL = {"mode": "Manual"}
FORBIDDEN = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "kube-system"}}
"""What the provisioner may not make."""


def _left(held: Object) -> object:
    return held.get("status", {}).get("timeLeft")


async def _decide(acme: Customer, decision: str, **more: str) -> None:
    value = {"eventId": acme.installation["spec"]["request"]["eventId"], "decision": decision} | more
    await acme.patch({"op": "add", "path": "/spec/approval", "value": value})


@pytest.mark.case(34)
async def test_in_manual_mode_nothing_is_made_or_answered_before_a_person_decides(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        held = await acme.becomes("AwaitingDecision")
        assert reason(held, "Ready") == "AwaitingDecision"
        assert held["spec"]["request"]["eventId"] in message(held, "Ready")
        assert (acme.tenant, acme.posts()) == (None, [])

        await _decide(acme, "Approve")

        await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed"]


async def test_a_person_can_reject_and_talkdesk_is_told_why(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("AwaitingDecision")

        await _decide(acme, "Reject", reason="no contract")

        held = await acme.becomes("Rejected")
        assert acme.at_talkdesk.answers == ["reject:rejected"]
        assert acme.at_talkdesk.reason == "no contract"
        assert held["status"]["answer"]["decision"] == "Reject"
        assert acme.tenant is None
        assert await acme.secrets() == []


async def test_a_decision_for_another_event_is_refused_in_words_a_person_understands(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("AwaitingDecision")

        with pytest.raises(KubeInvalid, match="the decision is for another event"):
            await acme.patch(
                {"op": "add", "path": "/spec/approval", "value": {"eventId": "some-other", "decision": "Approve"}}
            )

        await _decide(acme, "Approve")
        await acme.becomes("Active")
        update = commands.Update(installation=acme.installation_id, adding=1)
        await talkdesk.delivered(talkdesk.simulator.update(update))
        held = await acme.becomes("AwaitingDecision")
        assert reason(held, "Ready") == "DecisionForOtherEvent"
        await _decide(acme, "Reject")
        held = await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed", "reject:completed"]
        assert condition(held, "Ready") == "True"


@pytest.mark.case(34)
async def test_what_nobody_decided_is_decided_before_the_deadline_if_the_app_says_so(stacks: Stacks) -> None:
    automatic = {"decision": "Approve", "beforeDeadline": "6d23h59m58s"}
    async with stacks(approval=MANUAL | {"automatic": automatic}) as talkdesk:
        acme = await talkdesk.install()
        await acme.until(lambda held: held.get("status", {}).get("phase") == "AwaitingDecision", "wait for a person")
        assert acme.posts() == []

        await acme.becomes("Active")

        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(34)
async def test_an_answer_that_is_not_given_is_warned_about_at_each_mark(stacks: Stacks) -> None:
    deadline = {"warnBefore": ["30d", "6d23h59m58s"]}
    async with stacks(approval=MANUAL, deadline=deadline) as talkdesk:
        acme = await talkdesk.install()
        held = await acme.until(lambda held: _left(held) == "under 30d", "pass the first mark")
        assert condition(held, "DeadlineNear") == "True"
        held = await acme.until(lambda held: _left(held) == "under 6d23h59m58s", "pass the second")
        assert condition(held, "DeadlineNear") == "True"
        await acme.announced("DeadlineNear")
        _, scraped = await talkdesk.platform.fetch("operator", "/metrics")
        assert f'talkdesk_installations_near_deadline{{app="{talkdesk.app}",left="under 6d23h59m58s"' in scraped
        shown = await talkdesk.platform.kubectl("get", "tdi", acme.name)
        assert "under 6d23h59m58s" in shown

        await _decide(acme, "Approve")
        held = await acme.becomes("Active")
        assert condition(held, "DeadlineNear") == "False"
        assert "timeLeft" not in held["status"]


async def test_a_rule_rejects_before_anything_is_made_and_talkdesk_is_told_its_reason(stacks: Stacks) -> None:
    rules = [
        {"expression": "subscription.licenses != null && subscription.licenses > 50", "reason": "too many seats"},
        {"expression": "account.timezone == 'Antarctica/Troll'", "reason": "we do not serve penguins"},
    ]
    async with stacks(approval={"rejectWhen": rules}) as talkdesk:
        acme = await talkdesk.install(timezone="Antarctica/Troll")
        held = await acme.becomes("Rejected")
        assert acme.at_talkdesk.reason == "we do not serve penguins"
        assert "penguins" in str(held["status"]["history"])
        assert acme.tenant is None

        bolt = await talkdesk.install()
        await bolt.becomes("Active")


@pytest.mark.case(54)
async def test_a_rule_that_can_not_be_evaluated_holds_the_request_and_says_which(stacks: Stacks) -> None:
    async with stacks(approval={"rejectWhen": [{"expression": "account.nobody == 'x'", "reason": "r"}]}) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_wait.add(acme.account_id)
        held = await acme.until(lambda held: reason(held, "Ready") == "PolicyFailed", "be held")
        assert "account.nobody" in message(held, "Ready")
        assert condition(held, "Stalled") == "True"
        assert acme.posts() == []

        await talkdesk.change_app(approval={"rejectWhen": []})
        await acme.becomes("Active")
        talkdesk.may_wait.clear()


async def test_a_rule_that_is_no_expression_is_told_at_the_app_and_nobody_is_approved(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        await talkdesk.change_app(approval={"rejectWhen": [{"expression": "tenant.name == 'x'", "reason": "r"}]})
        app = await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda held: condition(held, "Ready") == "False", "become not Ready"
        )
        assert "no such variable: tenant" in message(app, "Ready")
        acme = await talkdesk.install()
        await acme.until(lambda held: reason(held, "Ready") == "PolicyFailed", "be held")

        await talkdesk.change_app(approval={"rejectWhen": []})
        await acme.becomes("Active")


@pytest.mark.case(53)
@pytest.mark.parametrize(("policy", "phase"), [("Hold", "Provisioning"), ("Reject", "Rejected")])
async def test_a_tenant_that_can_not_be_made_holds_the_request_or_rejects_it_as_the_app_says(
    stacks: Stacks, policy: str, phase: str
) -> None:
    steps = [{"name": "base", "manifests": [NAMESPACE, FORBIDDEN]}]
    async with stacks(steps=steps, approval={"onTenantFailure": policy}) as talkdesk:
        acme = await talkdesk.install()
        await acme.until(lambda held: held.get("status", {}).get("phase") == phase, f"become {phase}")
        if policy == "Reject":
            await acme.becomes(phase)
            assert acme.at_talkdesk.answers == ["reject:rejected"]
            return
        assert acme.posts() == []
        await _mend(talkdesk)
        await acme.becomes("Active")


async def _mend(talkdesk: Stack) -> None:
    await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [NAMESPACE, SETTINGS]}]})
