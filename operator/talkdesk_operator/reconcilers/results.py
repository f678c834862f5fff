"""Results of a reconcile: of one that even a status could not be written for, and of several together."""

from collections.abc import Sequence

from talkdesk_operator.workqueue.contract import Result
from talkdesk_runtime.kube_errors import KubeConflict, KubeError

__all__ = ["together", "unrecorded"]


def unrecorded(error: KubeError) -> Result:
    """Return the result of a reconcile that the API server broke off."""
    return Result(failed=True, error=str(error), conflict=isinstance(error, KubeConflict))


def together(results: Sequence[Result], *, failed: bool = False) -> Result:
    """Return one result for all."""
    errors = [result for result in results if result.error]
    return Result(
        tuple(requeue for result in results for requeue in result.next),
        failed=failed or any(result.failed for result in results),
        error="; ".join(dict.fromkeys(result.error for result in errors)),
        conflict=bool(errors) and all(result.conflict for result in errors),
    )
