"""What an error of Talkdesk's or the Kubernetes API means: a reason and a message for a condition, and a retry class.

Belongs here: one total function for each error tree. Does not belong here: when the retry comes (`backoff`), errors of
the SCIM service (`domain.users`).
"""

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_runtime import kube_errors as kube

__all__ = ["cluster_failure", "object_failure", "talkdesk_failure"]


def talkdesk_failure(error: talkdesk.TalkdeskError) -> Failure:
    """Return the failure for an error of Talkdesk's API; total over its tree."""
    match error:
        case talkdesk.TalkdeskTransient(retry_after=retry_after):
            return Failure(Reason.UNAVAILABLE, error.message, RetryClass.TRANSIENT, retry_after)
        case talkdesk.TalkdeskUnauthorized():
            return Failure(Reason.CREDENTIALS_REFUSED, error.message, RetryClass.SLOW)
        case talkdesk.TalkdeskForbidden():
            return Failure(Reason.FORBIDDEN, error.message, RetryClass.SLOW)
        case talkdesk.TalkdeskForeignHost():
            return Failure(Reason.FOREIGN_HOST, error.message, RetryClass.SLOW)
        case _:
            return Failure(Reason.REFUSED, error.message, RetryClass.SLOW)


def cluster_failure(error: kube.KubeError) -> Failure:
    """Return the failure for an error of the Kubernetes API about an object of our own kinds."""
    retry_after = error.retry_after if isinstance(error, kube.KubeTransient) else None
    return Failure(Reason.CLUSTER_UNAVAILABLE, str(error), RetryClass.TRANSIENT, retry_after)


def object_failure(error: kube.KubeError, kind: str, where: str) -> Failure:
    """Return the failure for an error of the Kubernetes API about a tenant's object; `where` is `[namespace/]name`.

    The message is the API server's own, except for a Secret, whose values the API server may quote.
    """
    explanation = _without_values(error) if kind == "Secret" else str(error)
    message = f"{kind} {where}: {explanation}"
    match error:
        case kube.KubeTransient(retry_after=retry_after):
            return Failure(Reason.CLUSTER_UNAVAILABLE, message, RetryClass.TRANSIENT, retry_after)
        case kube.KubeForbidden(terminating=True):
            return Failure(Reason.NOT_READY, message, RetryClass.TRANSIENT)
        case kube.KubeConflict():
            return Failure(Reason.CONFLICT, message, RetryClass.SLOW)
        case _:
            return Failure(Reason.APPLY_REFUSED, message, RetryClass.SLOW)


def _without_values(error: kube.KubeError) -> str:
    match error:
        case kube.KubeInvalid(fields=(_, *_) as fields):
            return f"invalid: {', '.join(fields)}"
        case kube.KubeInvalid() | kube.KubeRefused() | kube.KubeOverloaded():
            return "refused by the API server, whose message is not shown because it may quote secret values"
        case _:
            return str(error)
