"""The TalkdeskApp that an event is addressed to: from the list of all, or read from the cluster while there is none.

Belongs here: which of the two, and reading one app within bounds. Does not belong here: the list (app_list), what is
read of an object (known_app).
"""

from datetime import timedelta
from typing import Any, Final, Protocol

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.names import GROUP, VERSION
from talkdesk_runtime.clock import Clock
from talkdesk_runtime.kube import resource_path
from talkdesk_runtime.kube_errors import KubeError, KubeNotFound
from talkdesk_runtime.lookup_cache import Loaded, LookupCache, LookupFailed, TokenBucket
from talkdesk_webhook.app_list import AppList, ListedApp
from talkdesk_webhook.known_app import AppUnusable, KnownApp

__all__ = ["Apps", "KubeReader"]

_BUDGET: Final = (20.0, 200)
"""Reads of apps that were not there before: enough for a start with many apps, little for the API server."""
_BUDGET_OF_LISTED: Final = (100.0, 1000)
"""Reads of apps that were in the last list: strangers can't make any."""
_SIZE: Final = 1024


class KubeReader(Protocol):
    """What is needed of talkdesk_runtime.kube.Kube."""

    async def request(self, method: str, path: str) -> dict[str, Any]:
        """Make a request; raises KubeError."""


class Apps:
    """The TalkdeskApps of the cluster, by namespace and name."""

    def __init__(self, kube: KubeReader, listed: AppList, fresh_for: timedelta, *, clock: Clock | None = None) -> None:
        self._kube = kube
        self._listed = listed
        self._fresh_for = fresh_for.total_seconds()
        self._of_listed = TokenBucket(*_BUDGET_OF_LISTED)
        self._lookups = LookupCache(
            self._read,
            size=_SIZE,
            budget=TokenBucket(*_BUDGET),
            asked_again=TokenBucket(*_BUDGET),
            clock=clock or Clock.system(),
        )

    async def get(self, namespace: str, name: str) -> KnownApp | None:
        """Return the app, or None when there is none; raises LookupFailed when it can't be read or understood.

        While no watch is alive, a change of an app is seen within `fresh_for`, and while an app can't be read then, no
        old value is used in its place: the event could not be stored either.
        """
        listed = self._listed
        if not listed.covers(namespace):
            return None
        found = listed.find(namespace, name)
        if found is None and listed.is_current(namespace):
            found = await listed.appears(namespace, name)
        if listed.is_current(namespace):
            return _usable(found)
        return await self._lookups.get((namespace, name), reserves=() if found is None else (self._of_listed,))

    async def _read(self, key: tuple[str, str]) -> Loaded[KnownApp]:
        path = resource_path(GROUP, VERSION, TalkdeskApp.INFO.plural, *key)
        try:
            return Loaded(self._listed.read(await self._kube.request("GET", path), *key), self._fresh_for)
        except KubeNotFound:
            return Loaded(None, self._fresh_for)
        except KubeError as error:
            raise LookupFailed(f"the TalkdeskApp can't be read: {error}") from None
        except AppUnusable as error:
            raise LookupFailed(str(error)) from None


def _usable(found: ListedApp | None) -> KnownApp | None:
    if found is not None and found.app is None:
        raise LookupFailed(found.problem)
    return None if found is None else found.app
