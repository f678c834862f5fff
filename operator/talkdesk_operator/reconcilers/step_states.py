"""How far each step of a template is, for the tenant's status, and whether one takes longer than it may; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from talkdesk_crds.tenant import StepState, StepStatus
from talkdesk_operator.templates.render import RenderedStep, RenderedTenant
from talkdesk_runtime.durations import format_duration
from talkdesk_runtime.shorten import shorten

__all__ = ["overdue", "step_status", "timed", "with_pending"]

_MESSAGE_LENGTH = 1000


def step_status(step: RenderedStep, state: StepState, message: str) -> StepStatus:
    """Return the status of one step."""
    return StepStatus(name=step.name, state=state, message=shorten(message, _MESSAGE_LENGTH))


def with_pending(done: Sequence[StepStatus], rendered: RenderedTenant) -> tuple[StepStatus, ...]:
    """Return the steps that were begun, and after them those whose turn has not come."""
    rest = rendered.steps[len(done) :]
    return (*done, *(step_status(step, StepState.PENDING, "") for step in rest))


def timed(
    steps: Sequence[StepStatus], rendered: RenderedTenant, before: Sequence[StepStatus], now: datetime
) -> tuple[StepStatus, ...]:
    """Return the steps with the time since which each waits; one that waits longer than it may has failed."""
    since = {step.name: step.waiting_since for step in before}
    limits = {step.name: step.time_limit for step in rendered.steps}
    return tuple(
        _timed(step, limits[step.name], since.get(step.name) or now, now) if step.state is StepState.WAITING else step
        for step in steps
    )


def overdue(steps: Sequence[StepStatus]) -> str:
    """Return which step waits longer than it may, and for what; empty where none does."""
    return next(
        (
            f"step {step.name}: {step.message}"
            for step in steps
            if step.state is StepState.FAILED and step.waiting_since
        ),
        "",
    )


def _timed(step: StepStatus, limit: timedelta | None, since: datetime, now: datetime) -> StepStatus:
    changes: dict[str, object] = {"waiting_since": since}
    if limit is not None and now - since >= limit:
        message = shorten(f"not ready within {format_duration(limit)}: {step.message}", _MESSAGE_LENGTH)
        changes |= {"state": StepState.FAILED, "message": message}
    return step.model_copy(update=changes)
