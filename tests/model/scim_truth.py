"""The partner's SCIM service as an immutable value, and the users whom it gets from Talkdesk's list.

In the model: a user is found by the external id, so an order may be repeated; nobody is ever deleted there.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from builders.api_server import HOME
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_operator.domain.ports.talkdesk import User

__all__ = ["PERSONAL", "TOKEN", "USERS", "Scim", "user"]

PERSONAL = "canary-person"
"""In each name and address of a user; nothing in the cluster may hold it."""
_HOST = "scim.example.com"
USERS = {"scim": {"url": f"https://{_HOST}/v2", "tokenSecretRef": {"name": "scim", "key": "token"}}}
"""The member `users` of an app with the service."""
TOKEN: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {"name": "scim", "namespace": HOME, "annotations": {ANNOTATION_FOR_HOSTS: _HOST}},
    "data": {"token": base64.b64encode(b"canary-made-up-token").decode()},
}
"""The Secret with its token."""


def user(user_id: str) -> User:
    """Return a user as Talkdesk lists them."""
    return User(user_id, email=f"{PERSONAL}-{user_id}@example.com", name=f"{PERSONAL} {user_id}", active=True)


@dataclass(frozen=True, slots=True)
class Scim:
    """All of the service."""

    users: tuple[tuple[str, bool], ...] = ()
    """By external id, whether the user is active."""
    refused: frozenset[str] = frozenset()
    """Users whose last order failed for them alone: such a one holds up no answer but that to an uninstall."""

    @property
    def active(self) -> frozenset[str]:
        """Who can use the partner's product."""
        return frozenset(user_id for user_id, active in self.users if active)

    def put(self, user_id: str, *, active: bool) -> "Scim":
        """Return it with another state of a user."""
        users = tuple(sorted({**dict(self.users), user_id: active}.items()))
        return replace(self, users=users, refused=self.refused - {user_id})

    def refuse(self, user_id: str) -> "Scim":
        """Return it after a failure for one user."""
        return replace(self, refused=self.refused | {user_id})
