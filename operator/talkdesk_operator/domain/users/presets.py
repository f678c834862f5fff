"""What well-known SCIM services need: which attributes each gets, and which features of SCIM are not used with it.

One table, in which each difference has a name; the app may say otherwise. Everything in it is what the service's own
documentation says, nothing is guessed.

Belongs here: the table, and how the app's own words go before it. Does not belong here: what follows from a feature
(`adapters.scim`), what a service shows of itself at run time.

Sources, read in November 2026:

- AwsIdentityCenter: "IAM Identity Center SCIM Implementation", developer guide. CreateUser requires both parts of the
  name and displayName; PatchUser can't change `roles`; ListUsers takes `<attribute> eq "<value>"` alone, and no
  `attributes`; there is no /Bulk.
- GitHub: "REST API endpoints for SCIM" of enterprises. externalId, displayName, emails and both parts of a name are
  required, roles are GitHub's own, and "multiple filters are not supported".
- Atlassian: "How to filter users in provisioning SCIM using REST API" (by userName or externalId), and the schema of
  the user provisioning API, which has no roles.
- Slack: "SCIM API". A user needs an e-mail address; a userName that is one is turned into a name of Slack's.
- PagerDuty: "Supported User Attributes". userName is the address, displayName is required, and roles are PagerDuty's
  own; an inactive user is deleted.

Until presets came, `attributes` had a default, which the API server wrote into each app that was made or edited.
Beside another preset than Generic, that very list counts as not said: nobody would write it for such a service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from talkdesk_crds.app import SCIM_ATTRIBUTES, Scim, ScimAttribute, ScimFeature, ScimPreset

__all__ = ["PRESETS", "Traits", "traits_of"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a service gets, and how."""

    attributes: tuple[ScimAttribute, ...]
    """Of each user, beside `userName` and `active`."""
    avoid: frozenset[ScimFeature] = frozenset()
    """Features that are not used, whatever the service says of itself."""


_WITH_NAMES: Final = (
    ScimAttribute.EXTERNAL_ID,
    ScimAttribute.DISPLAY_NAME,
    ScimAttribute.FORMATTED_NAME,
    ScimAttribute.GIVEN_NAME,
    ScimAttribute.FAMILY_NAME,
    ScimAttribute.EMAILS,
)

PRESETS: Final[Mapping[ScimPreset, Traits]] = {
    ScimPreset.GENERIC: Traits(SCIM_ATTRIBUTES),
    ScimPreset.AWS_IDENTITY_CENTER: Traits(
        _WITH_NAMES,
        frozenset(
            {
                ScimFeature.ATTRIBUTE_SELECTION,
                ScimFeature.BULK,
                ScimFeature.COMBINED_FILTERS,
                ScimFeature.NAMELESS_USERS,
            }
        ),
    ),
    ScimPreset.GITHUB: Traits(_WITH_NAMES, frozenset({ScimFeature.COMBINED_FILTERS, ScimFeature.NAMELESS_USERS})),
    ScimPreset.ATLASSIAN: Traits(_WITH_NAMES, frozenset({ScimFeature.COMBINED_FILTERS})),
    ScimPreset.SLACK: Traits(_WITH_NAMES),
    ScimPreset.PAGER_DUTY: Traits(
        (ScimAttribute.EXTERNAL_ID, ScimAttribute.DISPLAY_NAME), frozenset({ScimFeature.NAMELESS_USERS})
    ),
}


def traits_of(scim: Scim) -> Traits:
    """Return what the app's service needs: by the app's own words, else by its preset."""
    preset = PRESETS[scim.preset]
    stored = scim.preset is not ScimPreset.GENERIC and scim.attributes == SCIM_ATTRIBUTES
    return Traits(
        preset.attributes if scim.attributes is None or stored else scim.attributes,
        preset.avoid if scim.avoid is None else frozenset(scim.avoid),
    )
