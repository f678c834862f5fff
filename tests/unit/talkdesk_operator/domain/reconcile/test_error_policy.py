"""What errors of the adapters mean."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_operator.domain.reconcile.error_policy import cluster_failure, object_failure, talkdesk_failure
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_runtime import kube_errors as kube

MINUTE = timedelta(minutes=1)


def tree(error: type[talkdesk.TalkdeskError]) -> Iterator[type[talkdesk.TalkdeskError]]:
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
        (kube.KubeForbidden("exceeded quota"), Reason.APPLY_REFUSED, RetryClass.SLOW),
        (kube.KubeInvalid("m", fields=()), Reason.APPLY_REFUSED, RetryClass.SLOW),
        (kube.KubeNotFound("m"), Reason.APPLY_REFUSED, RetryClass.SLOW),
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
    assert "exceeded quota" in object_failure(kube.KubeForbidden("exceeded quota"), "Secret", "td-1/keys").message
