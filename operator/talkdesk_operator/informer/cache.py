"""The informer cache: our three kinds as they were last seen, by watch events, listings and our own writes' answers.

Belongs here: which of two versions is newer, and which objects make up an account. Does not belong here: asking the API
server for anything. Nothing is kept here that a listing would not bring back.

The watch shows our own writes, too, and nearly always after their answers, so that they are known already. An event
that overtakes its answer costs one more reconcile, which writes nothing: 0.06 for each install (0.01 to 0.12 in 7
rounds). Bookkeeping that recognized such events and took their wake-ups back was measured and dropped. Only the
report of a failure reconciles nobody: a status that says when to try again must not be the reason to try again at once.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

import orjson

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.kind import CustomResource
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Mislabeled, Unreadable
from talkdesk_operator.informer.cached_object import (
    KINDS,
    CachedObject,
    Change,
    ObjectKey,
    is_deleted,
    is_own_backoff,
    newer,
    newly_in_turn,
    object_key_of,
    raw_version,
    written_by_others,
)
from talkdesk_operator.informer.compact import CompactObject, Compactor
from talkdesk_operator.observability.installation_tally import InstallationTally
from talkdesk_runtime.lru import LruMap
from talkdesk_runtime.time_slice import TimeSlice

__all__ = ["KINDS", "Change", "InformerCache"]

_DELETED_UIDS: Final = 10_000


_Account: TypeAlias = dict[ObjectKey, CompactObject]
"""What there is of one account: a tenant and one or two installations, mostly."""


class InformerCache:
    """Objects by kind, namespace and name, and accounts by key. Not for more than one event loop."""

    def __init__(self, *, deleted_uids: int = _DELETED_UIDS) -> None:
        """Remember so many uids of objects that are gone, so that a late answer to a write does not bring one back."""
        self._objects: dict[str, dict[ObjectKey, CompactObject]] = {kind.INFO.kind: {} for kind in KINDS}
        self._accounts: dict[AccountKey, _Account] = {}
        self._of_app: dict[tuple[str, str], set[AccountKey]] = {}
        self._gone: LruMap[str, str] = LruMap(deleted_uids)
        """The version at which each was gone. One that is seen again later had another slot's label for a while."""
        self._compactor = Compactor()
        self._newest: dict[tuple[str, str], int] = {}
        self.tally = InstallationTally()
        """What is counted of all installations."""

    def put(self, raw: Mapping[str, Any]) -> Change:
        """Take an object as the answer to a write of our own; KeyError when it is not of one of our kinds."""
        return self._take(raw, own_write=True)

    def observe(self, raw: Mapping[str, Any]) -> Change:
        """Take an object as a watch or a listing showed it; KeyError when it is not of one of our kinds."""
        return self._take(raw, own_write=False)

    def _take(self, raw: Mapping[str, Any], *, own_write: bool) -> Change:
        """Keep an object unless a newer version is known.

        Versions are compared as integers, which Kubernetes promises for its own API server; else the last one wins.
        """
        if is_deleted(raw):
            return self.remove(raw)
        object_key, version = object_key_of(raw), raw_version(raw)
        known = self._objects[object_key[0]].get(object_key)
        if self._is_gone(raw, own_write=own_write) or (known is not None and not newer(version, known.version)):
            return Change()
        before = None if known is None else self._compactor.open(known)
        compact = self._compactor.pack(raw, object_key)
        keys = self._replace(compact)
        if before is None:
            return Change(changed=True, keys=keys)
        after = self._compactor.open(compact)
        by_others = written_by_others(before) != written_by_others(after)
        if object_key[0] == TalkdeskApp.INFO.kind and not by_others:
            woken = frozenset(filter(None, (self.key_of_tenant(*each) for each in newly_in_turn(before, after))))
            itself = AccountKey.of_app(*object_key[1:])
            return Change(changed=True, keys=woken | {itself}, woken=woken)  # other accounts read no status
        if not own_write and not by_others and is_own_backoff(raw, before, after):
            keys = frozenset()  # the event of a write of ours, which has overtaken its answer
        return Change(changed=True, keys=keys, by_others=own_write and by_others)

    def remove(self, raw: Mapping[str, Any]) -> Change:
        """Record that the object is gone: deleted, or, by its label, not ours to see any more."""
        uid, version = raw["metadata"].get("uid", ""), raw_version(raw)
        self._gone.put(uid, version)
        object_key = object_key_of(raw)
        self._saw(object_key, version)
        known = self._objects[object_key[0]].get(object_key)
        if known is None or known.uid != uid:
            return Change()  # already known, or the name belongs to a successor by now
        return Change(changed=True, keys=self._drop(known))

    def retain(self, kind: str, namespace: str, present: Container[tuple[str, str]], version: str) -> Change:
        """Drop the objects that a complete listing at `version` did not show, by their namespaces and names.

        `namespace` is the listing's, empty for all. What is newer than the listing stays.
        """
        gone = [
            compact
            for object_key, compact in self._objects[kind].items()
            if namespace in ("", object_key[1])
            and object_key[1:] not in present
            and not newer(compact.version, version)
        ]
        keys: set[AccountKey] = set()
        for compact in gone:
            self._gone.put(compact.uid, version)
            keys |= self._drop(compact)
        return Change(changed=bool(gone), keys=frozenset(keys))

    async def clear(self) -> None:
        """Forget all objects. `process.tuning` has cycles among them left alone, so they would stay for ever."""
        turn, all_kept = TimeSlice(), (*self._objects.values(), self._accounts, self._of_app)
        for kept in cast("tuple[dict[Any, Any], ...]", all_kept):
            while kept:
                kept.popitem()
                await turn.pause()
        self._compactor, self._gone, self.tally = Compactor(), LruMap(1), InstallationTally()

    def newest(self) -> int:
        """Return the highest resourceVersion that was seen of an object; 0 for none."""
        return max(self._newest.values(), default=0)

    def newest_of(self, plural: str, namespace: str) -> int:
        """Return the highest resourceVersion that was seen of a kind, in a namespace or in all (empty); 0 for none."""
        kind, seen = next(kind.INFO.kind for kind in KINDS if kind.INFO.plural == plural), self._newest.items()
        return max((version for (of, where), version in seen if of == kind and namespace in ("", where)), default=0)

    def version_of(self, raw: Mapping[str, Any]) -> str:
        """Return the version in which this very object is known; empty where it is not."""
        object_key = object_key_of(raw)
        known = self._objects[object_key[0]].get(object_key)
        return known.version if known is not None and known.uid == raw["metadata"].get("uid", "") else ""

    def __contains__(self, key: AccountKey) -> bool:
        return key in self._accounts

    def installations(self, key: AccountKey) -> tuple[TalkdeskInstallation, ...]:
        """Return the account's installations that can be read."""
        return tuple(cached for cached in self._of(key) if isinstance(cached, TalkdeskInstallation))

    def current(self, installation: TalkdeskInstallation) -> TalkdeskInstallation | None:
        """Return an installation as it is known now; None when it is gone, or replaced by another of its name."""
        compact = self._find(TalkdeskInstallation, *installation.key)
        if compact is None or compact.uid != installation.metadata.uid:
            return None
        cached = self._compactor.open(compact)
        return cached if isinstance(cached, TalkdeskInstallation) else None

    def all_installations(self) -> Iterator[TalkdeskInstallation]:
        """Yield every installation that can be read."""
        return (each for each in self._all(TalkdeskInstallation.INFO.kind) if isinstance(each, TalkdeskInstallation))

    def tenant(self, key: AccountKey) -> TalkdeskTenant | None:
        """Return the account's tenant: of several, the one that has the name we would give it."""
        tenants = [cached for cached in self._of(key) if isinstance(cached, TalkdeskTenant)]
        proper = tenant_name(key.app, key.account_id)
        return min(tenants, key=lambda tenant: tenant.metadata.name != proper, default=None)

    def app(self, namespace: str, name: str) -> TalkdeskApp | None:
        """Return the app; None also when it can't be read."""
        compact = self._find(TalkdeskApp, namespace, name)
        cached = None if compact is None else self._compactor.open(compact)
        return cached if isinstance(cached, TalkdeskApp) else None

    def has_app(self, namespace: str, name: str) -> bool:
        """Return whether there is such an app, even one that can't be read."""
        return self._find(TalkdeskApp, namespace, name) is not None

    def apps(self) -> Iterator[TalkdeskApp]:
        """Yield every app that can be read."""
        return (cached for cached in self._all(TalkdeskApp.INFO.kind) if isinstance(cached, TalkdeskApp))

    def key_of_tenant(self, namespace: str, name: str) -> AccountKey | None:
        """Return the account of a tenant, by the tenant's namespace and name."""
        compact = self._find(TalkdeskTenant, namespace, name)
        return None if compact is None else compact.key

    def tenants_of_app(self, namespace: str, name: str) -> Iterator[tuple[AccountKey, dict[str, Any]]]:
        """Yield the tenants of an app as JSON: where thousands are looked at, models would take too long."""
        for key in self.keys_of_app(namespace, name):
            for compact in tuple(self._accounts.get(key, {}).values()):
                if compact.object_key[0] == TalkdeskTenant.INFO.kind:
                    yield key, orjson.loads(compact.json)

    def keys_of_app(self, namespace: str, name: str) -> tuple[AccountKey, ...]:
        """Return the accounts of an app, whether or not the app itself exists."""
        return tuple(self._of_app.get((namespace, name), ()))

    def account_keys(self) -> tuple[AccountKey, ...]:
        """Return all apps, and all accounts of which there is anything."""
        apps = self._objects[TalkdeskApp.INFO.kind]
        return (*(AccountKey.of_app(namespace, name) for _, namespace, name in apps), *self._accounts)

    def unreadable(self, key: AccountKey) -> tuple[Unreadable, ...]:
        """Return what can't be read of the account: its app, its installations, its tenant."""
        app = self._find(TalkdeskApp, key.namespace, key.app)
        all_cached = (*(() if app is None else (self._compactor.open(app),)), *self._of(key))
        return tuple(cached for cached in all_cached if isinstance(cached, Unreadable))

    def mislabeled(self, key: AccountKey) -> tuple[Mislabeled, ...]:
        """Return the account's objects whose label of the slot is missing or wrong."""
        return tuple(
            Mislabeled(*compact.object_key, uid=compact.uid, version=compact.version)
            for compact in self._accounts.get(key, {}).values()
            if not compact.fits
        )

    def _is_gone(self, raw: Mapping[str, Any], *, own_write: bool) -> bool:
        """Return whether the object is gone: only a watch or a listing can show that it is there again."""
        gone, version = self._gone.get(raw["metadata"].get("uid", "")), raw_version(raw)
        back = not own_write and bool(gone) and version.isdecimal() and newer(version, gone or "")
        return gone is not None and not back

    def _find(self, kind: type[CustomResource], namespace: str, name: str) -> CompactObject | None:
        return self._objects[kind.INFO.kind].get((kind.INFO.kind, namespace, name))

    def _replace(self, compact: CompactObject) -> frozenset[AccountKey]:
        objects = self._objects[compact.object_key[0]]
        known = objects.get(compact.object_key)
        keys = self._link(compact)
        if known is not None:
            self.tally.remove(known.object_key, known.counted)
            if known.key != compact.key:
                keys |= self._unlink(known)
        objects[compact.object_key] = compact
        self.tally.add(compact.object_key, compact.counted)
        self._saw(compact.object_key, compact.version)
        return keys

    def _saw(self, object_key: ObjectKey, version: str) -> None:
        kind, namespace, _ = object_key
        if version.isdecimal():
            self._newest[kind, namespace] = max(self._newest.get((kind, namespace), 0), int(version))

    def _drop(self, compact: CompactObject) -> frozenset[AccountKey]:
        del self._objects[compact.object_key[0]][compact.object_key]
        self.tally.remove(compact.object_key, compact.counted)
        self._compactor.forget(compact.object_key)
        return self._unlink(compact)

    def _of(self, key: AccountKey) -> Iterator[CachedObject]:
        return (self._compactor.open(compact) for compact in self._accounts.get(key, {}).values())

    def _all(self, kind: str) -> Iterator[CachedObject]:
        return (self._compactor.peek(compact) for compact in self._objects[kind].values())

    def _link(self, compact: CompactObject) -> frozenset[AccountKey]:
        if (key := compact.key) is None:
            return self._accounts_of_app(compact)
        self._accounts.setdefault(key, {})[compact.object_key] = compact
        self._of_app.setdefault((key.namespace, key.app), set()).add(key)
        return frozenset((key,))

    def _unlink(self, compact: CompactObject) -> frozenset[AccountKey]:
        if (key := compact.key) is None:
            return self._accounts_of_app(compact)
        account = self._accounts[key]
        del account[compact.object_key]
        if not account:
            del self._accounts[key]
            siblings = self._of_app[key.namespace, key.app]
            siblings.discard(key)
            if not siblings:
                del self._of_app[key.namespace, key.app]
        return frozenset((key,))

    def _accounts_of_app(self, compact: CompactObject) -> frozenset[AccountKey]:
        kind, namespace, name = compact.object_key
        if kind != TalkdeskApp.INFO.kind:
            return frozenset()
        return frozenset((AccountKey.of_app(namespace, name), *self.keys_of_app(namespace, name)))
