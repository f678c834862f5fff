"""One installation from its first event to its end: objects and answers in, writes out."""

from typing import Any, cast

import pytest

from builders.journal import Crashed
from builders.objects import DAY, HOUR, INSTALLATION, NOON, credentials_object, decided, scope
from builders.operator_in_memory import (
    SPACE,
    TENANT,
    OperatorInMemory,
    credentials_secret,
    installed,
    sentiment,
)
from talkdesk_crds.fields import to_wire_time
from talkdesk_crds.installation import Decision, EndingReason, InstallationPhase, RequestType
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS, ANNOTATION_RECONCILE, FINALIZER
from talkdesk_operator.domain.ports.talkdesk import (
    TalkdeskForbidden,
    TalkdeskNotFound,
    TalkdeskOutcomeUnknown,
    TalkdeskUnavailable,
)
from talkdesk_operator.domain.reconcile.scope import Scope
from talkdesk_operator.reconcilers import InstallationReconciler
from talkdesk_operator.reconcilers.installation_statuses import InstallationStatuses
from talkdesk_operator.reconcilers.talkdesk_steps import TalkdeskSteps
from talkdesk_operator.workqueue.contract import Cause
from talkdesk_runtime.kube_errors import KubeNotFound, KubeOverloaded, KubeUnreachable

STATUS = f"PATCH talkdeskinstallations/{INSTALLATION}/status"
TENANT_STATUS = f"PATCH talkdesktenants/{TENANT}/status"
INSTALL = [
    "POST talkdesktenants",
    f"APPLY namespaces/{SPACE}",
    f"APPLY configmaps/{SPACE}/account",
    f"APPLY secrets/{SPACE}/keys",
    TENANT_STATUS,
    "ANSWER Approve",
    STATUS,
    "POST events/Active",
]


async def active(*objects: dict[str, object]) -> OperatorInMemory:
    """An operator whose installation is answered and whose tenant is ready; its journal is empty."""
    operator = OperatorInMemory(*objects)
    await operator.converge()
    assert operator.reason() == "True/Succeeded"
    operator.journal.clear()
    return operator


async def uninstalling() -> OperatorInMemory:
    """The same after the customer has uninstalled."""
    operator = await active()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling")
    operator.asks("Uninstall", event="e2")
    return operator


# Install.


async def test_an_install_records_the_tenant_first_applies_in_order_answers_once_and_writes_one_status() -> None:
    operator = OperatorInMemory()
    await operator.reconcile()
    assert operator.journal.writes == INSTALL
    assert operator.reason() == "True/Succeeded"
    assert operator.answers == [(RequestType.INSTALL, Decision.APPROVE, "delivered")]


async def test_a_second_reconcile_writes_nothing_and_asks_nothing() -> None:
    operator = await active()
    await operator.reconcile()
    assert operator.journal.lines == []


async def test_an_operator_that_starts_again_writes_nothing() -> None:
    operator = await active()
    operator.restart()
    await operator.reconcile(Cause.STARTUP)
    assert operator.journal.lines == []


async def test_a_resync_reads_talkdesk_and_applies_again_what_no_watch_shows_without_changing_anything() -> None:
    operator = await active()
    operator.watches_tenants = False
    before = operator.server.versions
    await operator.reconcile(Cause.RESYNC)
    assert "ASK installation" in operator.journal.lines
    assert operator.journal.writes == [line for line in INSTALL if line.startswith("APPLY")]
    assert operator.server.versions == before


async def test_a_resync_does_not_go_before_calls_that_somebody_waits_for() -> None:
    operator = await active()
    await operator.reconcile(Cause.RESYNC)
    assert operator.talkdesk.accesses[-1].background
    assert not operator.talkdesk.accesses[0].background


async def test_a_request_for_a_reconcile_is_carried_out_and_recorded_once() -> None:
    operator = await active()
    operator.change("TalkdeskInstallation", INSTALLATION, {"metadata": {"annotations": {ANNOTATION_RECONCILE: "now"}}})
    await operator.converge()
    assert "ASK installation" in operator.journal.lines
    assert operator.installation.status.last_handled_reconcile_at == "now"
    operator.journal.clear()
    await operator.converge()
    assert operator.journal.lines == []


async def test_the_finalizer_is_added_before_anything_is_made() -> None:
    operator = OperatorInMemory(sentiment(), installed(meta={"finalizers": ["other"]}), credentials_secret())
    await operator.reconcile()
    assert operator.journal.writes == [f"PATCH talkdeskinstallations/{INSTALLATION}", *INSTALL]
    assert operator.installation.metadata.finalizers == ("other", FINALIZER)


async def test_a_status_write_that_fails_is_made_again_and_the_answer_is_not() -> None:
    operator = OperatorInMemory()
    operator.journal.fail(STATUS, KubeOverloaded("busy"))
    assert (await operator.reconcile()).error == "busy"
    operator.restart()
    await operator.converge()
    assert operator.journal.writes.count("ANSWER Approve") == 1
    assert operator.reason() == "True/Succeeded"
    answer = operator.installation.status.answer
    assert answer is not None
    assert answer.verification_time is not None


async def test_an_installation_that_is_gone_at_its_status_write_ends_the_work_without_an_event() -> None:
    operator = OperatorInMemory()
    operator.journal.fail(STATUS, KubeNotFound("gone"))
    result = await operator.reconcile()
    assert result.next == ()
    assert "POST events/Active" not in operator.journal.lines


async def test_an_event_that_cannot_be_posted_holds_nothing_up() -> None:
    operator = OperatorInMemory()
    operator.journal.fail("POST events/Active", KubeOverloaded("busy"))
    await operator.reconcile()
    assert operator.reason() == "True/Succeeded"


async def test_a_failing_api_server_stops_the_work_before_the_answer_and_is_reported() -> None:
    operator = OperatorInMemory()
    operator.journal.fail(TENANT_STATUS, KubeOverloaded("busy"))
    result = await operator.reconcile()
    assert operator.journal.writes[-2:] == [STATUS, "POST events/ClusterUnavailable"]
    assert "ANSWER Approve" not in operator.journal.lines
    assert operator.reason() == "False/ClusterUnavailable"
    assert result.failed


@pytest.mark.parametrize("taken", [True, False])
async def test_the_state_at_talkdesk_decides_whether_a_lost_answer_is_sent_again(*, taken: bool) -> None:
    operator = OperatorInMemory()
    operator.journal.fail("ANSWER Approve", TalkdeskOutcomeUnknown("cut"), "after" if taken else "before")
    await operator.reconcile()
    at = operator.journal.lines.index("ANSWER Approve")
    assert operator.journal.lines[at + 1].startswith("ASK ")
    operator.now += HOUR
    await operator.converge()
    assert operator.journal.writes.count("ANSWER Approve") == (1 if taken else 2)
    assert operator.reason() == "True/Succeeded"
    assert operator.answers[0] == (RequestType.INSTALL, Decision.APPROVE, "unclear")


@pytest.mark.parametrize("error", [TalkdeskForbidden("no"), TalkdeskNotFound("no")])
async def test_a_refused_answer_is_taken_as_given_when_talkdesk_shows_the_installation_as_done(
    error: TalkdeskForbidden | TalkdeskNotFound,
) -> None:
    operator = OperatorInMemory()
    operator.journal.fail("ANSWER Approve", error, "after")
    await operator.converge()
    assert operator.reason() == "True/Succeeded"
    assert operator.journal.writes.count("ANSWER Approve") == 1


async def test_an_answer_that_talkdesk_could_not_take_is_tried_again_after_the_back_off() -> None:
    operator = OperatorInMemory()
    operator.journal.fail("ANSWER Approve", TalkdeskUnavailable("down"))
    result = await operator.reconcile()
    assert operator.reason() == "False/TalkdeskUnavailable"
    assert result.failed
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.reason() == "True/Succeeded"


async def test_a_request_that_changed_during_the_work_is_not_answered_by_the_old_decision() -> None:
    operator = OperatorInMemory()

    def customer_updates() -> None:
        operator.asks("Update", event="e2")
        operator.watch()

    operator.journal.on(TENANT_STATUS, customer_updates)
    await operator.reconcile()
    assert "ANSWER Approve" not in operator.journal.lines
    await operator.converge()
    answer = operator.installation.status.answer
    assert answer is not None
    assert answer.event_id == "e2"


async def test_an_installation_that_goes_during_the_work_is_not_answered() -> None:
    operator = OperatorInMemory()

    def somebody_removes_it() -> None:
        operator.server.remove("TalkdeskInstallation", INSTALLATION)
        operator.watch()

    operator.journal.on(TENANT_STATUS, somebody_removes_it)
    await operator.reconcile()
    assert "ANSWER Approve" not in operator.journal.lines


# Policy.


async def test_a_rejection_is_sent_with_its_reason_and_nothing_is_made() -> None:
    operator = OperatorInMemory(
        sentiment(approval={"mode": "Manual"}), installed(approval=decided(reason="no room")), credentials_secret()
    )
    await operator.reconcile()
    assert operator.journal.writes[0] == "ANSWER Reject (no room)"
    assert operator.server.all("TalkdeskTenant") == []
    answer = operator.installation.status.answer
    assert answer is not None
    assert (answer.decision, answer.reason) == (Decision.REJECT, "no room")


async def test_nothing_is_made_while_a_person_has_to_decide() -> None:
    operator = OperatorInMemory(sentiment(approval={"mode": "Manual"}), installed(), credentials_secret())
    await operator.reconcile()
    assert operator.journal.writes == [STATUS, "POST events/AwaitingDecision"]
    assert operator.installation.status.phase is InstallationPhase.AWAITING_DECISION


@pytest.mark.parametrize("kind", ["TalkdeskInstallation", "TalkdeskTenant", "TalkdeskApp"])
async def test_what_is_paused_gets_one_status_and_nothing_else(kind: str) -> None:
    operator = await active()
    name = {"TalkdeskInstallation": INSTALLATION, "TalkdeskTenant": TENANT, "TalkdeskApp": "sentiment"}[kind]
    operator.change(kind, name, {"spec": {"paused": True}})
    operator.server.edit("ConfigMap", "account", {"data": {"company": "changed"}}, SPACE)
    await operator.reconcile(Cause.DRIFT)
    assert operator.journal.lines == [STATUS, "POST events/Paused"]
    operator.journal.clear()
    await operator.reconcile(Cause.RESYNC)
    assert operator.journal.lines == []


# Users, rotation, updates.


async def test_users_are_counted_before_the_answer() -> None:
    operator = OperatorInMemory(sentiment(users={}), installed(), credentials_secret())
    await operator.reconcile()
    lines = operator.journal.lines
    assert lines.index("ASK users") < lines.index("ANSWER Approve")
    users = operator.installation.status.users
    assert users is not None
    assert (users.licensed, users.complete) == (3, True)


async def test_users_are_deactivated_at_the_service_when_the_customer_uninstalls() -> None:
    scim = {"url": "https://scim.example.com", "tokenSecretRef": {"name": "scim", "key": "token"}}
    token = credentials_secret("scim", token="made-up")
    token["metadata"] |= {"labels": {}, "annotations": {ANNOTATION_FOR_HOSTS: "scim.example.com"}}
    operator = await active(sentiment(users={"scim": scim}), installed(), credentials_secret(), token)
    assert [len(batch) for batch in operator.scim.given] == [3]
    operator.talkdesk.becomes("uninstalling")
    operator.now += DAY
    operator.asks("Uninstall", event="e2")
    await operator.converge()
    assert [type(order).__name__ for order in operator.scim.given[-1]] == ["Deactivate"] * 3
    operator.now += 91 * DAY
    await operator.converge()
    assert f"DELETE secrets/{TENANT}-users-0" in operator.journal.lines


async def rotated(*, acknowledgeable: bool = True) -> OperatorInMemory:
    """An active installation to which Talkdesk has just sent new credentials."""
    operator = await active()
    operator.now += DAY
    operator.server.put(credentials_secret("keys-2", client="client-2", event_time=NOON + DAY, key_id="k-2"))
    operator.talkdesk.clients.add("client-2")
    operator.talkdesk.rotating = "client-2" if acknowledgeable else ""
    register = {"credentials": credentials_object("keys-2", at=NOON + DAY)}
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": register})
    return operator


@pytest.mark.parametrize("first", [True, False])
async def test_a_rotation_reaches_the_tenant_then_is_acknowledged_and_then_the_old_secret_goes(*, first: bool) -> None:
    operator = await rotated(acknowledgeable=first)
    await operator.converge()
    order = [f"APPLY secrets/{SPACE}/keys", "ACKNOWLEDGE client-2", "DELETE secrets/keys-1", STATUS]
    assert [line for line in operator.journal.writes if line in order] == order
    known = operator.installation.status.credentials
    assert known is not None
    assert (known.secret_name, known.acknowledged_event_id) == ("keys-2", "rotation-1")


async def test_the_old_secret_stays_while_the_rotation_is_not_acknowledged() -> None:
    operator = await rotated()
    operator.journal.fail("ACKNOWLEDGE client-2", TalkdeskUnavailable("down"))
    await operator.converge()
    assert operator.server.find("Secret", "keys-1") is not None
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.server.find("Secret", "keys-1") is None


async def test_an_update_is_applied_answered_and_read_once_more() -> None:
    operator = await active()
    operator.now += DAY
    operator.talkdesk.becomes("updating")
    operator.talkdesk.company = "Acme Ltd."
    operator.asks("Update", event="e2")
    await operator.converge()
    assert operator.server.get("ConfigMap", "account", SPACE)["data"] == {"company": "Acme Ltd."}
    writes = operator.journal.writes
    assert writes.index(f"APPLY configmaps/{SPACE}/account") < writes.index("ANSWER Approve")
    last = len(operator.journal.lines) - 1 - operator.journal.lines[::-1].index("ASK installation")
    assert last > operator.journal.lines.index("ANSWER Approve")


async def test_an_uninstall_that_only_talkdesk_knows_of_is_recorded_as_a_request_and_carried_out() -> None:
    operator = await active()
    operator.now += DAY
    operator.talkdesk.becomes("uninstalling", at=operator.now)
    await operator.converge(Cause.RESYNC)
    assert operator.journal.writes[0] == f"PATCH talkdeskinstallations/{INSTALLATION}"
    assert operator.installation.spec.request is not None
    assert operator.installation.spec.request.type is RequestType.UNINSTALL
    assert operator.installation.status.phase is InstallationPhase.UNINSTALLED


# Uninstall and what follows.


async def test_an_uninstall_offboards_records_the_answer_sends_it_and_deletes_the_credentials_last() -> None:
    operator = await uninstalling()
    await operator.converge()
    assert operator.journal.writes == [
        f"PATCH talkdesktenants/{TENANT}",
        f"DELETE secrets/{SPACE}/keys",
        TENANT_STATUS,
        STATUS,
        "ANSWER Approve",
        STATUS,
        "POST events/Uninstalled",
        "DELETE secrets/keys-1",
        STATUS,
    ]
    assert operator.server.find("ConfigMap", "account", SPACE) is not None
    assert operator.talkdesk.forgotten == ["team/sentiment-i1"]


async def test_the_moment_of_an_uninstalls_answer_is_on_record_before_it_is_sent() -> None:
    operator = await uninstalling()
    operator.journal.fail("ANSWER Approve", Crashed())
    with pytest.raises(Crashed):
        await operator.converge()
    answer = operator.installation.status.answer
    assert answer is not None
    assert (answer.event_id, answer.send_time, answer.delivery_time) == ("e2", operator.now, None)


async def test_the_credentials_stay_while_the_end_is_not_on_record() -> None:
    operator = await uninstalling()
    operator.journal.fail(STATUS, KubeUnreachable("cut"), skip=1)
    assert (await operator.converge()).error == "cut"
    assert operator.server.find("Secret", "keys-1") is not None
    operator.restart()
    await operator.converge()
    assert operator.reason("Answered") == "Unknown/Verifying"
    assert operator.server.find("Secret", "keys-1") is not None
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    assert operator.server.find("Secret", "keys-1") is None
    assert operator.journal.writes.count("ANSWER Approve") == 1


async def test_an_uninstall_that_talkdesk_still_shows_as_pending_is_verified_again_later() -> None:
    operator = await uninstalling()
    operator.journal.fail("ASK installation", TalkdeskUnavailable("down"), skip=1)
    await operator.converge()
    assert operator.installation.status.ending is None
    operator.now += HOUR
    await operator.converge(Cause.RETRY)
    ending = operator.installation.status.ending
    assert ending is not None
    assert ending.reason is EndingReason.UNINSTALLED
    assert operator.journal.writes.count("ANSWER Approve") == 1


async def test_the_retention_ends_with_the_objects_then_the_record_and_then_the_personal_data() -> None:
    operator = await uninstalling()
    await operator.converge()
    operator.journal.clear()
    operator.now += 90 * DAY
    await operator.converge()
    assert operator.journal.writes == [
        f"PATCH talkdesktenants/{TENANT}/status",
        f"DELETE configmaps/{SPACE}/account",
        f"DELETE namespaces/{SPACE}",
        f"PATCH talkdesktenants/{TENANT}",
        f"DELETE talkdesktenants/{TENANT}",
        f"PATCH talkdeskinstallations/{INSTALLATION}",
        STATUS,
        "POST events/Purged",
    ]
    assert operator.installation.spec.account_name is None
    assert operator.installation.status.account is None
    operator.journal.clear()
    await operator.converge(Cause.STARTUP)
    assert operator.journal.lines == []


async def test_credentials_of_a_late_event_are_deleted_at_a_resync_after_the_end() -> None:
    operator = await uninstalling()
    await operator.converge()
    operator.server.put(credentials_secret("keys-late", event_time=NOON))
    operator.journal.clear()
    await operator.reconcile(Cause.RESYNC)
    assert "DELETE secrets/keys-late" in operator.journal.writes


async def test_a_reinstall_within_the_retention_takes_the_tenant_over_as_it_is() -> None:
    operator = await uninstalling()
    await operator.converge()
    operator.now += DAY
    operator.talkdesk.becomes("installing")
    operator.talkdesk.clients = {"client-2"}
    operator.server.put(credentials_secret("keys-2", client="client-2", event_time=operator.now))
    register = credentials_object("keys-2", origin="Install", event="e3", at=operator.now)
    operator.change("TalkdeskInstallation", INSTALLATION, {"spec": {"credentials": register}})
    operator.asks("Install", event="e3")
    before = operator.server.get("ConfigMap", "account", SPACE)["metadata"]["uid"]
    await operator.converge()
    assert operator.reason() == "True/Succeeded"
    assert operator.server.get("ConfigMap", "account", SPACE)["metadata"]["uid"] == before
    assert operator.tenant.spec.uninstall_time is None


# Deletion of our object by a person.


def _deleted(operator: OperatorInMemory) -> None:
    """Let a person delete the installation, which its finalizer holds."""
    moment = {"metadata": {"deletionTimestamp": to_wire_time(operator.now)}}
    operator.change("TalkdeskInstallation", INSTALLATION, moment)


async def test_a_deleted_installation_is_let_go_and_its_tenant_stays() -> None:
    operator = await active()
    _deleted(operator)
    result = await operator.reconcile()
    assert operator.journal.writes == [f"PATCH talkdeskinstallations/{INSTALLATION}"]
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None
    assert operator.server.find("ConfigMap", "account", SPACE) is not None
    assert result.next == ()


async def test_a_deleted_installation_with_the_policy_delete_purges_its_tenant_before_it_goes() -> None:
    operator = await active(sentiment(), installed(deletionPolicy="Delete"), credentials_secret())
    _deleted(operator)
    await operator.converge()
    assert operator.journal.writes == [
        f"PATCH talkdesktenants/{TENANT}/status",
        f"DELETE secrets/{SPACE}/keys",
        f"DELETE configmaps/{SPACE}/account",
        f"DELETE namespaces/{SPACE}",
        f"PATCH talkdesktenants/{TENANT}",
        f"DELETE talkdesktenants/{TENANT}",
        "DELETE secrets/keys-1",
        f"PATCH talkdeskinstallations/{INSTALLATION}",
    ]


async def test_a_deleted_installation_that_is_gone_already_is_as_good_as_let_go() -> None:
    operator = await active()
    _deleted(operator)
    operator.journal.fail(f"PATCH talkdeskinstallations/{INSTALLATION}", KubeNotFound("gone"), "after")
    await operator.reconcile()
    assert operator.server.find("TalkdeskInstallation", INSTALLATION) is None


async def test_a_deleted_installation_is_not_given_a_finalizer_again() -> None:
    meta = {"finalizers": ["other"], "deletionTimestamp": to_wire_time(NOON)}
    operator = OperatorInMemory(sentiment(), installed(meta=meta), credentials_secret())
    await operator.reconcile()
    assert operator.installation.metadata.finalizers == ("other",)


# Drift.


async def test_a_changed_object_is_put_back_by_force_and_an_event_says_so() -> None:
    operator = await active()
    operator.server.edit("ConfigMap", "account", {"data": {"company": "changed"}}, SPACE)
    await operator.reconcile(Cause.DRIFT)
    assert operator.server.get("ConfigMap", "account", SPACE)["data"] == {"company": "Acme Inc."}
    assert operator.journal.writes[-1] == "POST events/DriftCorrected"
    assert STATUS not in operator.journal.writes


async def test_a_deleted_object_is_made_again_with_its_new_uid_on_record() -> None:
    operator = await active()
    operator.server.remove("ConfigMap", "account", SPACE)
    await operator.reconcile(Cause.DRIFT)
    made = operator.server.get("ConfigMap", "account", SPACE)
    assert made["metadata"]["uid"] in {item.uid for item in operator.tenant.status.inventory}


class NothingComesOfIt:
    """Steps at Talkdesk after which nothing more is known than before."""

    async def read_credentials(self, scope: Scope) -> Scope:
        return scope


async def test_work_that_never_ends_is_a_fault_and_not_a_loop() -> None:
    operator = OperatorInMemory()
    stuck = InstallationReconciler(
        operator.cluster,
        cast("TalkdeskSteps", NothingComesOfIt()),
        operator.tenants,
        operator.users,
        reread=operator.cache.current,
        now=lambda: NOON,
        answered=lambda *_: None,
        statuses=InstallationStatuses(operator.cluster, reread=operator.cache.current, chance=lambda: 0.5),
    )
    with pytest.raises(RuntimeError, match=INSTALLATION):
        await stuck.reconcile(scope())


# A status that somebody else wrote meanwhile.


def theirs(operator: OperatorInMemory, **status: Any) -> None:
    """Let another leader write the status."""
    operator.server.edit("TalkdeskInstallation", INSTALLATION, {"status": {"talkdeskState": "theirs"} | status})


@pytest.mark.case(81)
async def test_an_answer_that_was_sent_is_kept_in_the_status_that_somebody_else_wrote_meanwhile() -> None:
    operator = OperatorInMemory()
    operator.journal.on("ANSWER Approve", lambda: theirs(operator), "after")
    result = await operator.reconcile()
    assert result.conflict
    status = operator.installation.status
    assert (status.talkdesk_state, status.phase) == ("theirs", None)
    assert status.answer is not None
    assert status.answer.delivery_time is not None
    await operator.converge()
    assert operator.journal.writes.count("ANSWER Approve") == 1
    assert operator.reason() == "True/Succeeded"


@pytest.mark.case(81)
async def test_an_answer_that_another_leader_recorded_stays_as_that_one_wrote_it() -> None:
    operator = OperatorInMemory()
    moment = to_wire_time(NOON)
    answer = {"eventId": "event-1", "decision": "Approve", "sendTime": moment, "deliveryTime": moment}
    operator.journal.on("ANSWER Approve", lambda: theirs(operator, answer=answer), "after")
    assert (await operator.reconcile()).conflict
    found = operator.installation.status.answer
    assert found is not None
    assert found.delivery_time == NOON


@pytest.mark.case(81)
async def test_an_uninstall_is_not_answered_when_somebody_else_wrote_the_status_before() -> None:
    operator = await uninstalling()
    operator.journal.on(STATUS, lambda: theirs(operator))
    assert (await operator.reconcile()).conflict
    assert "ANSWER Approve" not in operator.journal.writes
    await operator.converge()
    assert operator.journal.writes.count("ANSWER Approve") == 1
    assert operator.installation.status.ending is not None


@pytest.mark.case(81)
async def test_an_event_that_comes_between_read_and_status_costs_two_requests_and_loses_nothing() -> None:
    operator = OperatorInMemory()
    operator.journal.on(STATUS, lambda: operator.asks("Update", event="e2", at=operator.now))
    result = await operator.reconcile()
    assert not result.conflict
    answer = operator.installation.status.answer
    assert answer is not None
    assert (answer.event_id, operator.installation.spec.request) != ("e2", None)
    assert operator.journal.lines.count(STATUS) == 2
    assert operator.journal.lines.count(STATUS.removesuffix("/status").replace("PATCH", "GET")) == 1
