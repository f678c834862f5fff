"""The partner's own work: replace what stands here by yours.

Belongs here: what a tenant is in your world: a row, a database, a mail. Does not belong here: the protocol.
Every method may be called again after a crash in its middle, so each must be able to find its own traces.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Made", "Partner", "PartnerFailed"]


class PartnerFailed(Exception):
    """It did not work, and will be tried again later; the text is shown to people, so it holds no secrets."""


@dataclass(frozen=True)
class Made:
    """What later steps of the template can use."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Texts, numbers, true or false: `outputs.STEP.NAME` in the template."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Texts: `outputs.STEP.secrets.NAME`, in Secrets alone."""


class Partner:
    """One call for each change of a tenant, and one for each notification; never two at once for the same tenant."""

    def apply(self, tenant: str, wanted: Mapping[str, Any], had: Made | None) -> Made:
        """Make the tenant what `wanted`, the body of the request, says; `had` is what the last call returned.

        `wanted["state"]` is Active, Suspended (nobody may log in) or Offboarded (the customer has left,
        and may come back). Raises PartnerFailed.
        """
        # YOUR CODE: make or change the tenant. Here it is only a password that is made once, and kept.
        password = secrets.token_urlsafe(16) if had is None else had.secrets["password"]
        return Made({"endpoint": f"https://{tenant}.example.com", "state": wanted["state"]}, {"password": password})

    def remove(self, tenant: str) -> None:
        """Remove all that `apply` made. Raises PartnerFailed."""
        # YOUR CODE: it must be fine when there is nothing left.

    def told(self, kind: str, installation: str, data: Mapping[str, Any]) -> None:
        """Do what is to be done when something has happened to a customer; `kind` is the type of the CloudEvent.

        Whoever calls waits for the answer, so it is short: put it into a queue of yours. Raises PartnerFailed.
        """
        # YOUR CODE: tell people, count, send a mail. Here it is only kept.
