"""What errors of the adapters mean."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar

import pytest

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_operator.domain.reconcile.error_policy import (
    cluster_failure,
    deletion_failure,
    is_about_values,
    object_failure,
    send_state,
    talkdesk_failure,
)
from talkdesk_operator.domain.reconcile.scope import Failure, FaultOwner, RetryClass, SendState
from talkdesk_runtime import kube_errors as kube

MINUTE = timedelta(minutes=1)


_Error = TypeVar("_Error", bound=Exception)


def tree(error: type[_Error]) -> Iterator[type[_Error]]:
    yield error
    for child in error.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("error", list(tree(talkdesk.TalkdeskError)))
def test_every_error_of_talkdesk_is_a_failure_that_is_retried(error: type[talkdesk.TalkdeskError]) -> None:
    judged = talkdesk_failure(error("what Talkdesk said"))
    assert judged.message == "what Talkdesk said"
    assert judged.retry_class is (
        RetryClass.TRANSIENT if issubclass(error, talkdesk.TalkdeskTransient) else RetryClass.SLOW
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(talkdesk.TalkdeskUnavailable("m"), Reason.UNAVAILABLE, marks=pytest.mark.case(27)),
        pytest.param(talkdesk.TalkdeskOutcomeUnknown("m"), Reason.UNAVAILABLE, marks=pytest.mark.case(22)),
        pytest.param(talkdesk.TalkdeskUnauthorized("m"), Reason.CREDENTIALS_REFUSED, marks=pytest.mark.case(24)),
        pytest.param(talkdesk.TalkdeskInvalidCredentials("m"), Reason.CREDENTIALS_REFUSED, marks=pytest.mark.case(24)),
        pytest.param(talkdesk.TalkdeskForbidden("m"), Reason.FORBIDDEN, marks=pytest.mark.case(25)),
        (talkdesk.TalkdeskForeignHost("m"), Reason.FOREIGN_HOST),
        (talkdesk.TalkdeskRefused("m"), Reason.REFUSED),
        (talkdesk.TalkdeskRedirected("m"), Reason.REFUSED),
        pytest.param(talkdesk.TalkdeskConflict("m"), Reason.REFUSED, marks=pytest.mark.case(23)),
    ],
)
def test_each_error_of_talkdesk_has_its_reason(error: talkdesk.TalkdeskError, reason: Reason) -> None:
    assert talkdesk_failure(error).reason is reason


SENT = {
    # An error that the token request may raise as well comes before anything is sent.
    talkdesk.TalkdeskError: SendState.REFUSED,
    talkdesk.TalkdeskTransient: SendState.REFUSED,
    talkdesk.TalkdeskUnavailable: SendState.REFUSED,
    talkdesk.TalkdeskRateLimited: SendState.REFUSED,
    talkdesk.TalkdeskMalformed: SendState.REFUSED,
    talkdesk.TalkdeskOutcomeUnknown: SendState.UNCLEAR,
    talkdesk.TalkdeskPermanent: SendState.REFUSED,
    talkdesk.TalkdeskUnauthorized: SendState.REFUSED,
    talkdesk.TalkdeskInvalidCredentials: SendState.REFUSED,
    talkdesk.TalkdeskForbidden: SendState.NOT_AWAITED,
    talkdesk.TalkdeskNotFound: SendState.NOT_AWAITED,
    talkdesk.TalkdeskConflict: SendState.NOT_AWAITED,
    talkdesk.TalkdeskRefused: SendState.REFUSED,
    talkdesk.TalkdeskForeignHost: SendState.REFUSED,
    talkdesk.TalkdeskRedirected: SendState.UNCLEAR,
}


@pytest.mark.case(72)
@pytest.mark.parametrize("error", list(tree(talkdesk.TalkdeskError)))
def test_every_error_of_the_call_says_whether_the_answer_may_have_been_accepted(
    error: type[talkdesk.TalkdeskError],
) -> None:
    assert send_state(error("m")) is SENT[error]


@pytest.mark.case(27)
def test_talkdesks_requested_delay_is_passed_on() -> None:
    assert talkdesk_failure(talkdesk.TalkdeskRateLimited("m", retry_after=MINUTE)).retry_after == MINUTE


def test_an_error_about_our_own_objects_has_the_reason_cluster_unavailable() -> None:
    failed = Failure(Reason.CLUSTER_UNAVAILABLE, "gone", RetryClass.TRANSIENT)
    assert cluster_failure(kube.KubeNotFound("gone")) == failed
    assert cluster_failure(kube.KubeOverloaded("m", retry_after=MINUTE)).retry_after == MINUTE


@pytest.mark.case(53)
@pytest.mark.parametrize(
    ("error", "reason", "retry_class"),
    [
        (kube.KubeOverloaded("m", retry_after=MINUTE), Reason.CLUSTER_UNAVAILABLE, RetryClass.TRANSIENT),
        (kube.KubeConflict("m"), Reason.CONFLICT, RetryClass.SLOW),
        (kube.KubeForbidden("cannot create"), Reason.ACCESS_MISSING, RetryClass.SLOW),
        (kube.KubeUnauthorized("m"), Reason.ACCESS_MISSING, RetryClass.TRANSIENT),
        (kube.KubeQuotaExceeded("exceeded quota"), Reason.QUOTA_EXCEEDED, RetryClass.SLOW),
        (kube.KubeAdmissionRefused("denied"), Reason.ADMISSION_REFUSED, RetryClass.SLOW),
        (kube.KubeInvalid("m", fields=()), Reason.APPLY_REFUSED, RetryClass.SLOW),
        (kube.KubeNotFound("m"), Reason.APPLY_REFUSED, RetryClass.SLOW),
        (kube.KubeUnappliable("m"), Reason.APPLY_REFUSED, RetryClass.SLOW),
        pytest.param(
            kube.KubeForbidden("m", terminating=True),
            Reason.NOT_READY,
            RetryClass.TRANSIENT,
            marks=pytest.mark.case(37),
        ),
    ],
)
def test_an_error_about_a_tenants_object_names_it_with_the_api_servers_message(
    error: kube.KubeError, reason: Reason, retry_class: RetryClass
) -> None:
    judged = object_failure(error, "Deployment", "td-1/web")
    assert (judged.reason, judged.retry_class) == (reason, retry_class)
    assert judged.message == f"Deployment td-1/web: {error}"


@pytest.mark.case(61)
@pytest.mark.parametrize(
    "error", [kube.KubeInvalid("canary"), kube.KubeRefused("got canary"), kube.KubeOverloaded("typed patch: canary")]
)
def test_the_api_servers_message_about_a_secrets_content_is_withheld(error: kube.KubeError) -> None:
    assert "canary" not in object_failure(error, "Secret", "td-1/keys").message
    assert "canary" in object_failure(error, "ConfigMap", "td-1/facts").message


@pytest.mark.case(53)
def test_a_secrets_problem_is_named_if_that_shows_no_content() -> None:
    invalid = kube.KubeInvalid("canary", fields=("data.key", "type"))
    assert object_failure(invalid, "Secret", "td-1/keys").message == "Secret td-1/keys: invalid: data.key, type"
    quota = kube.KubeQuotaExceeded("exceeded quota")
    assert "exceeded quota" in object_failure(quota, "Secret", "td-1/keys").message


@pytest.mark.case(53)
def test_a_field_that_can_not_change_is_named_as_what_it_is_and_a_secrets_value_is_not() -> None:
    immutable = kube.KubeInvalid("spec.selector: Invalid value: canary: field is immutable", fields=("spec.selector",))
    for kind in ("Deployment", "Secret"):
        failed = object_failure(immutable, kind, "td-1/web")
        assert (failed.reason, failed.retry_class) == (Reason.FIELD_IMMUTABLE, RetryClass.SLOW)
        assert "spec.selector" in failed.message
        assert "recreate" in failed.message
    assert "canary" not in object_failure(immutable, "Secret", "td-1/web").message


@pytest.mark.case(70)
@pytest.mark.parametrize("error", list(tree(kube.KubeError)))
def test_no_error_of_the_api_server_is_the_customers_fault_but_a_value_that_is_proven_to_be(
    error: type[kube.KubeError],
) -> None:
    happened = error("what the API server said")
    assert not is_about_values(happened)
    failures = cluster_failure(happened), object_failure(happened, "Secret", "x"), object_failure(happened, "Role", "x")
    assert {failed.fault for failed in failures} == {FaultOwner.OURS}
    assert all(failed.retry_class is not RetryClass.TERMINAL for failed in failures)


@pytest.mark.case(70)
def test_only_a_value_that_the_schema_refuses_may_be_the_customers() -> None:
    assert is_about_values(kube.KubeInvalid("m", ("data",), by_values=True))
    assert object_failure(kube.KubeInvalid("m", ("data",), by_values=True), "Role", "x").fault is FaultOwner.OURS


@pytest.mark.case(70)
@pytest.mark.parametrize("error", list(tree(talkdesk.TalkdeskError)))
def test_no_error_of_talkdesk_is_the_customers_fault(error: type[talkdesk.TalkdeskError]) -> None:
    assert talkdesk_failure(error("m")).fault is FaultOwner.OURS


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (kube.KubeForbidden("cannot patch"), Reason.ACCESS_MISSING),
        (kube.KubeUnauthorized("m"), Reason.ACCESS_MISSING),
        (kube.KubeAdmissionRefused("denied"), Reason.ADMISSION_REFUSED),
        (kube.KubeQuotaExceeded("exceeded quota"), Reason.QUOTA_EXCEEDED),
    ],
)
def test_what_the_cluster_does_not_let_us_do_is_no_outage(error: kube.KubeError, reason: Reason) -> None:
    assert cluster_failure(error) == Failure(reason, str(error), RetryClass.TRANSIENT)


PATCH = "failed to create typed patch object (td-1/x; /v1, Kind=X): "


@pytest.mark.case(53)
def test_a_message_about_the_schema_begins_with_what_to_write() -> None:
    judged = object_failure(kube.KubeUnappliable(f"{PATCH}.data.port: expected string, got 1"), "ConfigMap", "td-1/x")
    assert judged.message.startswith("ConfigMap td-1/x: .data.port must be a string: write ${string(...)}")
    assert f"({PATCH}.data.port: expected string, got 1)" in judged.message


@pytest.mark.case(53)
def test_an_object_that_is_too_large_says_so_also_when_only_the_database_did() -> None:
    judged = object_failure(kube.KubeTooLarge("etcdserver: request is too large"), "Widget", "td-1/x")
    assert (judged.reason, judged.retry_class) == (Reason.APPLY_REFUSED, RetryClass.SLOW)
    assert "too large for the API server or its database" in judged.message


@pytest.mark.case(61)
@pytest.mark.parametrize(
    ("complaint", "shown"),
    [
        (".data.key: expected string, got &value.valueUnstructured{Value:canary}", ".data.key must be a string"),
        (".data: expected map, got &{canary}", ".data must be a map"),
        ("errors:\n  .data.a: expected string, got canary\n  .dat: field not declared in schema", ".dat is no field"),
        ("canary in some other form", "not shown"),
    ],
)
def test_a_secrets_schema_problem_is_named_without_what_was_got(complaint: str, shown: str) -> None:
    message = object_failure(kube.KubeUnappliable(PATCH + complaint), "Secret", "td-1/keys").message
    assert shown in message
    assert "canary" not in message


@pytest.mark.case(61)
def test_a_message_of_an_admission_policy_that_quotes_a_secret_is_withheld() -> None:
    error = kube.KubeAdmissionRefused("policy no-passwords: canary is not allowed")
    assert "canary" not in object_failure(error, "Secret", "td-1/keys", secrets={"canary"}).message
    assert "no-passwords" in object_failure(error, "Secret", "td-1/keys", secrets={"another"}).message


def test_a_conflict_at_a_deletion_is_nobodys_claim_and_is_tried_again_soon() -> None:
    conflict = deletion_failure(kube.KubeConflict("modified"), "ConfigMap", "td-1/x")
    assert (conflict.reason, conflict.retry_class) == (Reason.DELETION_BLOCKED, RetryClass.TRANSIENT)
    other = kube.KubeForbidden("no right")
    assert deletion_failure(other, "ConfigMap", "td-1/x") == object_failure(other, "ConfigMap", "td-1/x")
