"""The vocabulary: names, the three kinds, lifecycle events, conditions, and the CRDs made from them.

Belongs here: what webhook, operator and sandbox must agree on, as pure types and functions.
Does not belong here: input and output, clocks, logging, decisions about what to do.
"""

from typing import Final

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.tenant import TalkdeskTenant

__all__ = ["KINDS", "TalkdeskApp", "TalkdeskInstallation", "TalkdeskTenant"]

KINDS: Final[tuple[type[CustomResource], ...]] = (TalkdeskApp, TalkdeskInstallation, TalkdeskTenant)
"""All kinds of our API group."""
