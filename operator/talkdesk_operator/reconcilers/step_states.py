"""How far each step of a template is, for the tenant's status."""

from collections.abc import Sequence

from talkdesk_crds.tenant import StepState, StepStatus
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.shorten import shorten

__all__ = ["step_status", "with_pending"]

_MESSAGE_LENGTH = 1000


def step_status(step: RenderedStep, state: StepState, message: str) -> StepStatus:
    """Return the status of one step."""
    return StepStatus(name=step.name, state=state, message=shorten(message, _MESSAGE_LENGTH))


def with_pending(done: Sequence[StepStatus], rendered: RenderedTenant) -> tuple[StepStatus, ...]:
    """Return the steps that were begun, and after them those whose turn has not come."""
    rest = rendered.steps[len(done) :]
    return (*done, *(step_status(step, StepState.PENDING, "") for step in rest))
