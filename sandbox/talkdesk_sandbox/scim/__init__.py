"""A simulated SCIM 2.0 service, to try the operator with: users in memory, strict, with optional features.

Belongs here: everything that plays a partner's SCIM service for demos and tests. Does not belong here: anything of the
operator's. A library implements the protocol (scim2-server); it is stricter than most services.

From Python::

    async with ScimServer(ScimSettings(token="...")) as scim:
        print(scim.url, scim.users())
"""

from talkdesk_sandbox.scim.server import ScimServer
from talkdesk_sandbox.scim.settings import ScimSettings

__all__ = ["ScimServer", "ScimSettings"]
