"""The token of the partner's SCIM service, which the app's namespace holds in a Secret.

Belongs here: reading it, and what is wrong with it. Does not belong here: calls (`adapters.scim`).
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from pydantic import SecretStr

from talkdesk_crds.app import SecretKeyRef
from talkdesk_crds.conditions import Reason
from talkdesk_crds.secret_hosts import hosts_problem
from talkdesk_operator.domain.ports.cluster import NamedSecret
from talkdesk_operator.domain.reconcile.failure import Failure, RetryClass

__all__ = ["ReadSecret", "read_token"]

ReadSecret: TypeAlias = Callable[[str, str], Awaitable[NamedSecret | None]]
"""`Cluster.read_secret`: returns a Secret by namespace and name, None when there is none."""

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
"""What fits into a header; servers take 8 to 16 KiB."""


async def read_token(
    read_secret: ReadSecret, namespace: str, ref: SecretKeyRef, host: str | None
) -> SecretStr | Failure:
    """Return the token for the service on this host, or why there is none; None is any host. Raises KubeError."""
    secret = await read_secret(namespace, ref.name)
    if secret is None:
        return _no_token(f"there is no Secret {ref.name}, which should hold the SCIM service's token")
    problem = hosts_problem(namespace, ref.name, secret.metadata, host)
    if problem:
        return _no_token(problem)
    value = secret.data.get(ref.key)
    # A Secret that was made from a file or a pipe often ends with a newline.
    token = value.get_secret_value().strip() if value is not None else ""
    if not token:
        return _no_token(f"the Secret {ref.name} has no {ref.key}, which should be the SCIM service's token")
    if not _TOKEN.fullmatch(token):
        return _no_token(f"{ref.key} in the Secret {ref.name} is no token: no header can hold its characters")
    return SecretStr(token)


def _no_token(message: str) -> Failure:
    return Failure(Reason.USERS_FAILED, message, RetryClass.SLOW)
