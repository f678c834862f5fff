"""The SCIM service that the partner of the demonstration has: how it is reached, and how many users it knows.

Belongs here: its path and its token. Does not belong here: starting it (`programs`), what it does
(`talkdesk_sandbox.scim`).
"""

import http.client
import json
from types import MappingProxyType
from typing import Final

from talkdesk_sandbox.demo.errors import DemoFailed

__all__ = ["HEADERS", "PATH", "TOKEN", "count_users"]

PATH: Final = "/scim/v2"
TOKEN: Final = "made-up-scim-token"  # noqa: S105 - of a service with made-up users
HEADERS: Final = MappingProxyType({"Authorization": f"Bearer {TOKEN}"})
_ANSWERED_WITHIN: Final = 10.0  # seconds


def count_users(host: str, port: int) -> int:
    """Return how many users the service has. Raises DemoFailed."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWERED_WITHIN)
    try:
        connection.request("GET", f"{PATH}/Users?count=0", headers=dict(HEADERS))
        return int(json.loads(connection.getresponse().read())["totalResults"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise DemoFailed(f"the SCIM service does not say how many users it has: {error}", "scim") from None
    finally:
        connection.close()
