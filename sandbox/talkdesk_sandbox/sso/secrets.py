"""What each tenant gets once and keeps: made at random at the first request, and the same ever after.

Belongs here: the partner's own work for an `http` step. Does not belong here: the protocol (`hook`).
"""

import secrets
from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from talkdesk_sandbox.hook import Made, Partner

__all__ = ["TenantSecrets"]


class TenantSecrets(Partner):
    """Answers with `outputs.tenant`, the tenant's name here, and with two secrets.

    `secrets.token` lets the tenant's app ask about the tenant's users. `secrets.cookieSecret` is the key of its
    sessions: 32 random bytes, in base64 for URLs, as oauth2-proxy wants it. A reconcile, an upgrade and a rotation of
    Talkdesk's credentials leave both as they are.
    """

    @override
    def apply(self, tenant: str, wanted: Mapping[str, Any], had: Made | None) -> Made:
        if had is not None:
            return had
        made = {"token": secrets.token_urlsafe(32), "cookieSecret": secrets.token_urlsafe(32)}
        return Made({"tenant": tenant}, made)

    @override
    def remove(self, tenant: str) -> None:
        """Remove nothing: what is on record of the tenant is all there is."""
