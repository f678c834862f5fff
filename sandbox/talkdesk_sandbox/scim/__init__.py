"""A SCIM 2.0 service that keeps its users in memory, to try the operator with: strict, and switchable.

Belongs here: everything that plays a partner's SCIM service for demos and tests. Does not belong here: anything of the
operator's. The protocol is the library's (scim2-server), which is stricter than most services.

From Python::

    async with ScimServer(ScimSettings(token="...")) as scim:
        print(scim.url, scim.users())
"""

from talkdesk_sandbox.scim.server import ScimServer
from talkdesk_sandbox.scim.settings import ScimSettings

__all__ = ["ScimServer", "ScimSettings"]
