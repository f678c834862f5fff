"""What an error of Talkdesk's or the Kubernetes API means: a reason and a message for a condition, and a retry class.

Belongs here: one total function for each error tree. Does not belong here: when the retry comes (`backoff`), errors of
the SCIM service (`domain.users`).
"""

from collections.abc import Collection
from typing import Final

from talkdesk_crds.conditions import Reason
from talkdesk_crds.names import ANNOTATION_RECREATE
from talkdesk_operator.domain.ports import talkdesk
from talkdesk_operator.domain.reconcile.apply_advice import advice
from talkdesk_operator.domain.reconcile.scope import Failure, RetryClass, SendState
from talkdesk_runtime import kube_errors as kube

__all__ = ["cluster_failure", "deletion_failure", "is_about_values", "object_failure", "send_state", "talkdesk_failure"]

_REFUSALS: Final = {
    kube.KubeForbidden: Reason.ACCESS_MISSING,
    kube.KubeUnauthorized: Reason.ACCESS_MISSING,
    kube.KubeAdmissionRefused: Reason.ADMISSION_REFUSED,
    kube.KubeQuotaExceeded: Reason.QUOTA_EXCEEDED,
}
"""What the cluster's own people decide, about anybody's objects."""

_IMMUTABLE: Final = (
    "the template changes what can't be changed in an object that exists: change it back, delete the object, or put the"
    f' annotation {ANNOTATION_RECREATE}: "true" into its manifest, which has it deleted and made anew'
)
_WITHHELD: Final = "refused by the API server, whose message is not shown because it may quote secret values"


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


def send_state(error: talkdesk.TalkdeskError) -> SendState:
    """Return what an error of the call with an answer says about the answer; total over its tree.

    Errors that the call's own token request may raise come before anything is sent. 403 and 404 are the documented
    errors of the call, and other APIs of Talkdesk's answer 409 when nothing waits. A redirect may follow the effect.
    """
    match error:
        case talkdesk.TalkdeskOutcomeUnknown() | talkdesk.TalkdeskRedirected():
            return SendState.UNCLEAR
        case talkdesk.TalkdeskConflict() | talkdesk.TalkdeskForbidden() | talkdesk.TalkdeskNotFound():
            return SendState.NOT_AWAITED
        case _:
            return SendState.REFUSED


def cluster_failure(error: kube.KubeError) -> Failure:
    """Return the failure for an error of the Kubernetes API about an object of our own kinds."""
    match error:
        case kube.KubeTransient(retry_after=retry_after):
            return Failure(Reason.CLUSTER_UNAVAILABLE, str(error), RetryClass.TRANSIENT, retry_after)
        case kube.KubeForbidden() | kube.KubeAdmissionRefused():
            return Failure(_REFUSALS[type(error)], str(error), RetryClass.TRANSIENT)
        case _:
            return Failure(Reason.CLUSTER_UNAVAILABLE, str(error), RetryClass.TRANSIENT)


def is_about_values(error: kube.KubeError) -> bool:
    """Return whether an error can come from the values that a template took from the customer's facts alone.

    Rights, quotas, admission, conflicts, missing kinds and trouble of the API server are never the customer's fault.
    """
    return isinstance(error, kube.KubeInvalid) and error.by_values


def object_failure(error: kube.KubeError, kind: str, where: str, *, secrets: Collection[str] = ()) -> Failure:
    """Return the failure for an error of the Kubernetes API about a tenant's object; `where` is `[namespace/]name`.

    The message is the API server's own, after words on what to change where those are known. For a Secret, whose values
    the API server may quote, it names fields alone, and a message in which one of `secrets` occurs is not shown at all:
    admission webhooks and policies write what they want.
    """
    explanation = _without_values(error) if kind == "Secret" else _explained(error)
    if any(secret in explanation for secret in secrets):
        explanation = _WITHHELD
    message = f"{kind} {where}: {explanation}"
    match error:
        case kube.KubeTransient(retry_after=retry_after):
            return Failure(Reason.CLUSTER_UNAVAILABLE, message, RetryClass.TRANSIENT, retry_after)
        case kube.KubeForbidden(terminating=True):
            return Failure(Reason.NOT_READY, message, RetryClass.TRANSIENT)
        case kube.KubeUnauthorized():
            return Failure(Reason.ACCESS_MISSING, message, RetryClass.TRANSIENT)
        case kube.KubeForbidden() | kube.KubeAdmissionRefused():
            return Failure(_REFUSALS[type(error)], message, RetryClass.SLOW)
        case kube.KubeConflict():
            return Failure(Reason.CONFLICT, message, RetryClass.SLOW)
        case kube.KubeInvalid(immutable=True):
            return Failure(Reason.FIELD_IMMUTABLE, message, RetryClass.SLOW)
        case _:
            return Failure(Reason.APPLY_REFUSED, message, RetryClass.SLOW)


def deletion_failure(error: kube.KubeError, kind: str, where: str) -> Failure:
    """Return the failure for an error at the deletion of a tenant's object.

    A conflict is nobody's claim here: the API server, or an admission webhook, can't delete the object now.
    """
    if isinstance(error, kube.KubeConflict):
        return Failure(Reason.DELETION_BLOCKED, f"{kind} {where}: {error}", RetryClass.TRANSIENT)
    return object_failure(error, kind, where)


def _explained(error: kube.KubeError) -> str:
    match error:
        case kube.KubeUnappliable() if remedy := advice(str(error)):
            return f"{remedy} ({error})"
        case kube.KubeInvalid(immutable=True):
            return f"{_IMMUTABLE} ({error})"
        case kube.KubeTooLarge():
            return f"it is too large for the API server or its database ({error})"
        case _:
            return str(error)


def _without_values(error: kube.KubeError) -> str:
    match error:
        case kube.KubeInvalid(fields=(_, *_) as fields, immutable=True):
            return f"{_IMMUTABLE} ({', '.join(fields)})"
        case kube.KubeInvalid(fields=(_, *_) as fields):
            return f"invalid: {', '.join(fields)}"
        case kube.KubeUnappliable():
            return advice(str(error)) or _WITHHELD
        case kube.KubeInvalid() | kube.KubeRefused() | kube.KubeOverloaded():
            return _WITHHELD
        case _:
            return str(error)
