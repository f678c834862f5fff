"""An app whose users are synced to a SCIM service of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from builders.stack import Stack, Stacks
from talkdesk_crds.names import ANNOTATION_FOR_HOSTS
from talkdesk_crds.secret_hosts import host_of
from talkdesk_runtime.kube import resource_path
from talkdesk_sandbox.scim import ScimServer, ScimSettings

NOBODY: Final = "127.0.0.1:9"
"""A host where nobody answers; the token is for it, too."""
TOKEN: Final = "made-up-scim-token"


@asynccontextmanager
async def with_scim(stacks: Stacks, **spec: Any) -> AsyncIterator[tuple[Stack, ScimServer]]:
    """Create both; keywords are fields of the app's spec."""
    async with ScimServer(ScimSettings(token=TOKEN)) as scim, stacks(**spec, paused=True) as talkdesk:
        path = resource_path("", "v1", "secrets", talkdesk.namespace)
        metadata = {
            "name": f"{talkdesk.app}-scim",
            "annotations": {ANNOTATION_FOR_HOSTS: f"{host_of(scim.url)},{NOBODY}"},
        }
        secret = {"metadata": metadata, "stringData": {"token": TOKEN}}
        await talkdesk.platform.kube.request("POST", path, body=secret)
        talkdesk.platform.canaries |= {TOKEN.encode()}
        ref = {"name": f"{talkdesk.app}-scim", "key": "token"}
        users = {"scim": {"url": scim.url, "tokenSecretRef": ref, "allowInsecure": True}}
        await talkdesk.change_app(users=users, paused=False)
        yield talkdesk, scim


def active(scim: ScimServer) -> set[str]:
    """Return the Talkdesk ids of the active users."""
    return {user["externalId"] for user in scim.users() if user.get("active")}
