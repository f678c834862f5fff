"""Which answer Talkdesk gets: by a person's decision, by rules, by a failure, or automatically before the deadline."""

import pytest

from builders.conditions import condition, message, reason
from builders.stack import APP, Customer, Stack, Stacks
from builders.stack_manifests import NAMESPACE, SETTINGS
from builders.watched import Object
from talkdesk_runtime.kube_errors import KubeAdmissionRefused, KubeInvalid
from talkdesk_sandbox.simulator import commands

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANUAL = {"mode": "Manual"}
FORBIDDEN = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "kube-system"}}
"""An object that the tenant's service account may not create."""


def _left(obj: Object) -> object:
    return obj.get("status", {}).get("timeLeft")


async def _decide(acme: Customer, decision: str, **more: str) -> None:
    event = acme.installation["spec"]["request"]["eventId"]
    value = {"eventId": event, "decision": decision, "decidedBy": await _me(acme)} | more
    await acme.patch({"op": "add", "path": "/spec/approval", "value": value})


async def _me(acme: Customer) -> str:
    """Return the name by which the API server knows whoever runs the test."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = await acme.stack.platform.kube.request("POST", path, body=review)
    return str(answer["status"]["userInfo"]["username"])


@pytest.mark.case(34)
async def test_in_manual_mode_nothing_is_created_or_answered_before_a_person_decides(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        obj = await acme.becomes("AwaitingDecision")
        assert reason(obj, "Ready") == "AwaitingDecision"
        assert obj["spec"]["request"]["eventId"] in message(obj, "Ready")
        assert (acme.tenant, acme.answer_calls()) == (None, [])

        await _decide(acme, "Approve")

        obj = await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed"]
        assert f"as {await _me(acme)} decided" in message(obj, "Answered")


async def test_a_decision_in_nobodys_or_anothers_name_is_refused_and_the_right_name_said(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("AwaitingDecision")
        me = await _me(acme)
        for name in ("", "somebody.else@example.com"):
            with pytest.raises(KubeAdmissionRefused, match=rf"your user name, {me}, into spec\.approval\.decidedBy"):
                await _decide(acme, "Approve", decidedBy=name)
        await _decide(acme, "Approve")
        await acme.becomes("Active")


async def test_a_person_can_reject_and_talkdesk_gets_the_reason(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("AwaitingDecision")

        await _decide(acme, "Reject", reason="no contract")

        obj = await acme.becomes("Rejected")
        assert acme.at_talkdesk.answers == ["reject:rejected"]
        assert acme.at_talkdesk.reason == "no contract"
        assert obj["status"]["answer"]["decision"] == "Reject"
        assert acme.tenant is None
        assert await acme.credential_secrets() == []


async def test_a_decision_for_another_event_is_refused_by_the_api_server(stacks: Stacks) -> None:
    async with stacks(approval=MANUAL) as talkdesk:
        acme = await talkdesk.install()
        await acme.becomes("AwaitingDecision")

        with pytest.raises(KubeInvalid, match=r"spec\.approval"):
            await acme.patch(
                {"op": "add", "path": "/spec/approval", "value": {"eventId": "some-other", "decision": "Approve"}}
            )

        await _decide(acme, "Approve")
        await acme.becomes("Active")
        update = commands.Update(installation=acme.installation_id, adding=1)
        await talkdesk.delivered(talkdesk.simulator.update(update))
        obj = await acme.becomes("AwaitingDecision")
        assert reason(obj, "Ready") == "DecisionForOtherEvent"
        await _decide(acme, "Reject")
        obj = await acme.becomes("Active")
        assert acme.at_talkdesk.answers == ["approve:completed", "reject:completed"]
        assert condition(obj, "Ready") == "True"


@pytest.mark.case(34)
async def test_a_request_without_a_decision_is_decided_before_the_deadline_if_the_app_says_so(stacks: Stacks) -> None:
    automatic = {"decision": "Approve", "beforeDeadline": "6d23h59m58s"}
    async with stacks(approval=MANUAL | {"automatic": automatic}) as talkdesk:
        acme = await talkdesk.install()
        await acme.until(lambda obj: obj.get("status", {}).get("phase") == "AwaitingDecision", "await a decision")
        assert acme.answer_calls() == []

        await acme.becomes("Active")

        assert acme.at_talkdesk.answers == ["approve:completed"]


@pytest.mark.case(34)
async def test_an_unanswered_request_gets_a_warning_at_each_mark_before_its_deadline(stacks: Stacks) -> None:
    deadline = {"warnBefore": ["30d", "6d23h59m58s"]}
    async with stacks(approval=MANUAL, deadline=deadline) as talkdesk:
        acme = await talkdesk.install()
        obj = await acme.until(lambda obj: _left(obj) == "under 30d", "pass the first mark before the deadline")
        assert condition(obj, "DeadlineNear") == "True"
        obj = await acme.until(lambda obj: _left(obj) == "under 6d23h59m58s", "pass the second mark")
        assert condition(obj, "DeadlineNear") == "True"
        await acme.kubernetes_event("DeadlineNear")
        _, metrics = await talkdesk.platform.fetch("operator", "/metrics")
        assert f'talkdesk_installations_near_deadline{{app="{talkdesk.app}",left="under 6d23h59m58s"' in metrics
        printed = await talkdesk.platform.kubectl("get", "tdi", acme.name)
        assert "under 6d23h59m58s" in printed

        await _decide(acme, "Approve")
        obj = await acme.becomes("Active")
        assert condition(obj, "DeadlineNear") == "False"
        assert "timeLeft" not in obj["status"]


async def test_a_rule_rejects_before_anything_is_created_and_talkdesk_gets_its_reason(stacks: Stacks) -> None:
    rules = [
        {"expression": "subscription.licenses != null && subscription.licenses > 50", "reason": "too many seats"},
        {"expression": "account.timezone == 'Antarctica/Troll'", "reason": "we do not serve penguins"},
    ]
    async with stacks(approval={"rejectWhen": rules}) as talkdesk:
        acme = await talkdesk.install(timezone="Antarctica/Troll")
        obj = await acme.becomes("Rejected")
        assert acme.at_talkdesk.reason == "we do not serve penguins"
        # Nothing is retained of this customer, so what may name him is erased from the status.
        assert [entry["reason"] for entry in obj["status"]["history"]] == ["Rejected"]
        assert acme.tenant is None

        bolt = await talkdesk.install()
        await bolt.becomes("Active")


@pytest.mark.case(54)
async def test_a_rule_that_cannot_be_evaluated_leaves_the_request_unanswered_and_is_named(stacks: Stacks) -> None:
    async with stacks(
        approval={"rejectWhen": [{"expression": "int(account.companyName) > 5", "reason": "r"}]}
    ) as talkdesk:
        acme = await talkdesk.install()
        talkdesk.may_stay_unanswered.add(acme.account_id)
        obj = await acme.until(lambda obj: reason(obj, "Ready") == "PolicyFailed", "show the failed rule")
        assert "int(account.companyName)" in message(obj, "Ready")
        assert condition(obj, "Stalled") == "True"
        assert acme.answer_calls() == []

        await talkdesk.change_app(approval={"rejectWhen": []})
        await acme.becomes("Active")
        talkdesk.may_stay_unanswered.clear()


async def test_an_invalid_rule_makes_the_app_not_ready_and_nobody_is_approved(stacks: Stacks) -> None:
    async with stacks() as talkdesk:
        await talkdesk.change_app(approval={"rejectWhen": [{"expression": "tenant.name == 'x'", "reason": "r"}]})
        app = await talkdesk.platform.watched.until(
            APP, talkdesk.app, lambda obj: condition(obj, "Ready") == "False", "become not Ready"
        )
        assert reason(app, "Ready") == "TemplateInvalid"
        assert "tenant.name == 'x'" in message(app, "Ready")
        acme = await talkdesk.install()
        await acme.until(lambda obj: reason(obj, "Ready") == "PolicyFailed", "show the failed rule")

        await talkdesk.change_app(approval={"rejectWhen": []})
        await acme.becomes("Active")


@pytest.mark.case(53)
@pytest.mark.parametrize("policy", ["Hold", "Reject"])
async def test_a_tenant_that_cannot_be_created_delays_the_answer(stacks: Stacks, policy: str) -> None:
    steps = [{"name": "base", "manifests": [NAMESPACE, FORBIDDEN]}]
    async with stacks(steps=steps, tenant={"objectScope": "Any"}, approval={"onTenantFailure": policy}) as talkdesk:
        acme = await talkdesk.install()
        await acme.until(lambda obj: obj.get("status", {}).get("phase") == "Provisioning", "become Provisioning")
        assert acme.answer_calls() == []
        await _correct_the_template(talkdesk)
        await acme.becomes("Active")


async def _correct_the_template(talkdesk: Stack) -> None:
    await talkdesk.change_app(tenant={"steps": [{"name": "base", "manifests": [NAMESPACE, SETTINGS]}]})
