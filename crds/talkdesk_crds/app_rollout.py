"""How a change of an app's template reaches its tenants, and how far it has come: parts of a TalkdeskApp."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field, StrictInt, StrictStr, WithJsonSchema

from talkdesk_crds.fields import SET, Model, ObjectName, rules

__all__ = [
    "MAX_WAVE",
    "Canary",
    "LabelSelector",
    "RolloutPolicy",
    "RolloutStatus",
    "TemplateRollout",
    "TenantCounts",
]

MAX_WAVE: Final = 100
"""Tenants that are moved to another revision at once, whatever share of all they are."""
_PERCENTAGE: Final = "^(100|[1-9][0-9]?)%$"


class RolloutPolicy(StrEnum):
    """What a change of the template does."""

    AUTOMATIC = "Automatic"
    """Tenants move to the newest revision, a few at a time."""
    PINNED = "Pinned"
    """Tenants move to `revision`, or stay where they are without one."""


def _share(value: int | str) -> int | str:
    """Return a count of at least one, or a percentage from 1% to 100%."""
    if isinstance(value, int) and value >= 1:
        return value
    percent = value.removesuffix("%") if isinstance(value, str) and value.endswith("%") else ""
    if percent.isascii() and percent.isdecimal() and not percent.startswith("0") and int(percent) <= 100:
        return value
    raise ValueError("must be a number from 1 on, or a percentage from 1% to 100%")


IntOrPercentage = Annotated[
    StrictInt | StrictStr,
    AfterValidator(_share),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "minimum": 1, "pattern": _PERCENTAGE, "maxLength": 4}),
]
"""A number of tenants, or a share of all."""


class LabelSelector(Model):
    """Chooses objects by their labels."""

    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(min_length=1, max_length=8)]
    """Labels that an object has, all of them."""


class Canary(Model):
    """Tenants that get a new revision before all others."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            {"rule": "has(self.count) != has(self.selector)", "message": "give either count or selector"}
        )
    )

    selector: LabelSelector | None = None
    """Those whose TalkdeskTenant has these labels. While no tenant has them, nothing is rolled out."""
    count: Annotated[int, Field(ge=1, le=MAX_WAVE)] | None = None
    """So many, always the same ones."""


class TemplateRollout(Model):
    """How a change of the template reaches the tenants that exist."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            {
                "rule": "!has(self.revision) || self.policy == 'Pinned'",
                "message": "revision needs policy: Pinned",
                "fieldPath": ".revision",
            }
        )
    )

    policy: RolloutPolicy = RolloutPolicy.AUTOMATIC
    """Automatic: tenants move to the newest revision of the template. Pinned: they move to `revision`, back or
    forth, or without one stay at `status.currentRevision`; a change of the template is recorded as a revision and
    rolled out to nobody."""
    revision: ObjectName | None = None
    """With policy Pinned, the revision that tenants are to have: the name of a ControllerRevision of this app. New
    tenants get it, too."""
    max_unavailable: IntOrPercentage = "10%"
    """How many tenants may be on their way to another revision, or not ready since they got it, at once: a number, or
    a share of all, rounded down to at least one. Never more than 100."""
    canary: Canary | None = None
    """Tenants that come first: the others follow when all of these are ready."""
    pause_after_failures: Annotated[int, Field(ge=0, le=10_000)] = 1
    """At so many tenants that were ready before and fail with the new revision, or are not ready after ten minutes, and
    at the latest when these are `maxUnavailable`, no further one is moved; the condition RolledOut says whose and why.
    It goes on when they are mended, or with another revision. With 0 it never stops for them."""
    paused: bool = False
    """While true, no tenant that exists is moved to another revision."""
    revision_history_limit: Annotated[int, Field(ge=0, le=100)] = 10
    """How many revisions are kept that no tenant has."""


class TenantCounts(Model):
    """The app's tenants that are in use, as they were counted last."""

    total: Annotated[int, Field(ge=0)] = 0
    """All of them."""
    updated: Annotated[int, Field(ge=0)] = 0
    """Those that have `updatedRevision`."""
    failing: Annotated[int, Field(ge=0)] = 0
    """Those whose objects can't be made as the template says, or are not ready after ten minutes."""
    unavailable: Annotated[int, Field(ge=0)] = 0
    """Those that are not ready, for whatever reason."""
    held: Annotated[int, Field(ge=0)] = 0
    """Those that no rollout moves: paused, with a `spec.revision` of their own, or without an installation."""


class RolloutStatus(Model):
    """Whose turn it is."""

    wave: Annotated[tuple[ObjectName, ...], Field(max_length=MAX_WAVE, json_schema_extra=SET)] = ()
    """The TalkdeskTenants that are to be moved to `updatedRevision` now."""
