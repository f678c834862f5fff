"""What a TalkdeskApp says of its users: whether they are counted, or brought to a SCIM service, and how."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from talkdesk_crds.fields import SET, Expression, Model, ObjectName, PositiveDuration

__all__ = [
    "SCIM_ATTRIBUTES",
    "Scim",
    "ScimAttribute",
    "ScimFeature",
    "ScimPreset",
    "SecretKeyRef",
    "Users",
    "UsersOffboard",
]


class UsersOffboard(StrEnum):
    """What becomes of the users in the SCIM service when their tenant is offboarded."""

    DEACTIVATE = "Deactivate"
    KEEP = "Keep"


class ScimAttribute(StrEnum):
    """An attribute of a SCIM user (RFC 7643, 4.1) that is sent beside `userName` and `active`."""

    EXTERNAL_ID = "externalId"
    DISPLAY_NAME = "displayName"
    FORMATTED_NAME = "name.formatted"
    GIVEN_NAME = "name.givenName"
    FAMILY_NAME = "name.familyName"
    EMAILS = "emails"
    ROLES = "roles"


class ScimFeature(StrEnum):
    """Something that SCIM has and not every service."""

    ATTRIBUTE_SELECTION = "AttributeSelection"
    BULK = "Bulk"
    COMBINED_FILTERS = "CombinedFilters"
    EXTERNAL_ID_FILTER = "ExternalIdFilter"
    NAMELESS_USERS = "NamelessUsers"
    PATCH = "Patch"


class ScimPreset(StrEnum):
    """A well-known service, of which it is known what it needs."""

    GENERIC = "Generic"
    AWS_IDENTITY_CENTER = "AwsIdentityCenter"
    GITHUB = "GitHub"
    ATLASSIAN = "Atlassian"
    SLACK = "Slack"
    PAGER_DUTY = "PagerDuty"


SCIM_ATTRIBUTES: Final = (
    ScimAttribute.EXTERNAL_ID,
    ScimAttribute.DISPLAY_NAME,
    ScimAttribute.FORMATTED_NAME,
    ScimAttribute.EMAILS,
    ScimAttribute.ROLES,
)
"""What is sent where neither the app nor its preset says otherwise."""


class SecretKeyRef(Model):
    """One value of a Secret in the app's namespace."""

    name: ObjectName
    """Name of the Secret."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key in its data."""


class Scim(Model):
    """A SCIM 2.0 service of the partner's (RFC 7643, RFC 7644) that knows the tenants' users."""

    url: Expression
    """Base URL, for example `https://app.example.com/${tenant.name}/scim/v2`; `${ CEL }` sees what a template sees but
    for `credentials`."""
    token_secret_ref: SecretKeyRef
    """The bearer token. It is sent to no other hosts than the Secret's annotation `{GROUP}/for-hosts` names, because
    whoever writes an app need not have the right to read the Secret."""
    on_offboard: UsersOffboard = UsersOffboard.DEACTIVATE
    """What becomes of the users when the tenant is offboarded: Deactivate or Keep. They are never deleted."""
    timeout: PositiveDuration = "10s"
    """How long one request may take."""
    concurrency: Annotated[int, Field(ge=1, le=32)] = 8
    """How many requests are made at once for one tenant."""
    allow_insecure: bool = False
    """Allow plain http, where the operator allows it too (`--allow-insecure`). Only for a laboratory: the token is sent
    there."""
    preset: ScimPreset = ScimPreset.GENERIC
    """Which service it is: Generic, or a well-known one, whose documentation says what it needs: AwsIdentityCenter,
    GitHub (of an enterprise), Atlassian, Slack, PagerDuty. It decides `attributes` and `avoid` where these are not
    said. PagerDuty deletes a user who is set inactive: whoever loses the license or whose tenant is offboarded is
    gone there for good, unless `onOffboard` is Keep for the latter, and is made anew when they come back."""
    attributes: Annotated[tuple[ScimAttribute, ...] | None, Field(max_length=7, json_schema_extra=SET)] = None
    """What the service gets of each user, beside `userName` (the e-mail address, else Talkdesk's id) and `active`:
    `externalId` (Talkdesk's id, by which users are found again; without it they are found by `userName` alone),
    `displayName`, `name.formatted`, `name.givenName` and `name.familyName` (Talkdesk's one name, cut before its last
    word), `emails`, `roles` (`admin` for whoever installed the app, else `standard`). Without it, what the preset
    says; of Generic externalId, displayName, name.formatted, emails and roles. These five in that order, the default
    of versions without presets, count as not said beside another preset. A change sends every user again."""
    avoid: Annotated[tuple[ScimFeature, ...] | None, Field(max_length=6, json_schema_extra=SET)] = None
    """What is not used with the service although it may say that it has it: Bulk, Patch (users are replaced),
    CombinedFilters (users are looked for one by one), ExternalIdFilter (they are found by `userName`),
    AttributeSelection (searches ask for whole users), NamelessUsers (who has no name at Talkdesk is called by what
    stands before the @). Without it, what the preset says; of Generic nothing."""


class Users(Model):
    """Which use is made of the licensed users of an installation.

    They are read at each installation and update, and at the resync; never taken from the events themselves.
    """

    scim: Scim | None = None
    """Where they are created, updated and deactivated. Without it, users are only counted."""
