"""Licensed users of each tenant: the operator brings them by SCIM.

Belongs here: one SCIM service for each tenant, in memory. Does not belong here: SCIM's rules (`scim`).
After a restart nobody is licensed until the operator's next resync: the operator sends again who is missing.
"""

from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse

from talkdesk_sandbox.scim.application import ScimApplication
from talkdesk_sandbox.scim.settings import ScimSettings

__all__ = ["LicensedUsers"]


class LicensedUsers:
    """A tenant's users are no other tenant's."""

    def __init__(self) -> None:
        self._tenants: dict[str, ScimApplication] = {}

    def handle(self, tenant: str, request: ScimRequest) -> ScimResponse:
        """Return the response to a request of whoever may change users."""
        return self._tenants.setdefault(tenant, ScimApplication(ScimSettings())).handle(request)

    def is_licensed(self, tenant: str, user: str) -> bool:
        """Return whether the tenant has an active user with Talkdesk's id of a user."""
        scim = self._tenants.get(tenant)
        users = () if scim is None else (resource.model_dump() for resource in scim.storage.resources)
        return any(each.get("externalId") == user and each.get("active") is True for each in users)
