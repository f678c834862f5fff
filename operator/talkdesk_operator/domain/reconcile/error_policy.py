"""What an error of an adapter means: a reason for a condition, words for people, and how soon to try again."""

from talkdesk_crds.conditions import Reason
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass
from talkdesk_runtime import kube_errors as kube

__all__ = ["of_kube", "of_object", "of_talkdesk"]


def of_talkdesk(error: talkdesk.TalkdeskError) -> Failure:
    """Judge an error of Talkdesk's API; total over its tree."""
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


def of_kube(error: kube.KubeError) -> Failure:
    """Judge an error of the Kubernetes API at our own objects."""
    retry_after = error.retry_after if isinstance(error, kube.KubeTransient) else None
    return Failure(Reason.CLUSTER_UNAVAILABLE, str(error), RetryClass.TRANSIENT, retry_after)


def of_object(error: kube.KubeError, kind: str, where: str) -> Failure:
    """Judge an error of the Kubernetes API at a tenant's object, `where` being `namespace/name` or `name`.

    The message is the API server's own, but for a Secret: what it says of a value may hold it.
    """
    words = _of_secret(error) if kind == "Secret" else str(error)
    message = f"{kind} {where}: {words}"
    match error:
        case kube.KubeTransient(retry_after=retry_after):
            return Failure(Reason.CLUSTER_UNAVAILABLE, message, RetryClass.TRANSIENT, retry_after)
        case kube.KubeForbidden(terminating=True):
            return Failure(Reason.NOT_READY, message, RetryClass.TRANSIENT)
        case kube.KubeConflict():
            return Failure(Reason.CONFLICT, message, RetryClass.SLOW)
        case _:
            return Failure(Reason.APPLY_REFUSED, message, RetryClass.SLOW)


def _of_secret(error: kube.KubeError) -> str:
    match error:
        case kube.KubeInvalid(fields=(_, *_) as fields):
            return f"invalid: {', '.join(fields)}"
        case kube.KubeInvalid() | kube.KubeRefused() | kube.KubeOverloaded():
            return "refused; the API server says why, but may quote what is secret"
        case _:
            return str(error)
