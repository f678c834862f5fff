"""The keys that relayed events are signed with, from Secrets in the apps' namespaces, cached for a few seconds.

Belongs here: the read of one value of one Secret, which a Role in the app's namespace must allow. Does not belong
here: what a key looks like (talkdesk_runtime.standard_webhooks).
"""

import base64
import binascii
from datetime import timedelta
from typing import Any, Final

from talkdesk_crds.app import SecretKeyRef
from talkdesk_crds.secret_hosts import host_of, hosts_problem
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket
from talkdesk_runtime.standard_webhooks import KeyUnusable, WebhookSecrets
from talkdesk_webhook.apps import KubeReader

__all__ = ["RelayKeys"]

_BUDGET: Final = (5.0, 50)
"""Reads of Secrets that were not there before."""
_SIZE: Final = 1024


class RelayKeys:
    """Signing keys by namespace and reference."""

    def __init__(self, kube: KubeReader, fresh_for: timedelta, *, clock: Clock | None = None) -> None:
        self._kube = kube
        self._fresh_for = fresh_for.total_seconds()
        self._lookups = LookupCache(self._read, size=_SIZE, budget=TokenBucket(*_BUDGET), clock=clock or Clock.system())

    async def get(self, namespace: str, ref: SecretKeyRef, url: str) -> WebhookSecrets | None:
        """Return the keys for the endpoint at this URL, or None when there is no such Secret.

        Raises LookupFailed, whose text holds nothing of the keys. A change of the Secret is seen within `fresh_for`.
        """
        return await self._lookups.get((namespace, ref.name, ref.key, host_of(url)))

    async def _read(self, location: tuple[str, str, str, str]) -> Loaded[WebhookSecrets]:
        namespace, name, key, host = location
        try:
            secret = await self._kube.request("GET", resource_path("", "v1", "secrets", namespace, name))
            problem = hosts_problem(namespace, name, secret.get("metadata") or {}, host)
            if problem:
                raise LookupFailed(problem)
            return Loaded(_keys(secret, key), self._fresh_for)
        except KubeNotFound:
            return Loaded(None, self._fresh_for)
        except KubeError as error:
            raise LookupFailed(f"the Secret {name} can't be read: {error}") from None
        except KeyUnusable as error:
            raise LookupFailed(f"the Secret {name} can't be used at {key}: {error}") from None


def _keys(secret: dict[str, Any], key: str) -> WebhookSecrets:
    try:
        return WebhookSecrets.read(base64.b64decode(secret["data"][key], validate=True).decode())
    except (KeyError, TypeError):
        raise KeyUnusable("there is no such key") from None
    except (binascii.Error, UnicodeDecodeError):
        raise KeyUnusable("it is not text") from None
