"""The informer cache: our three kinds as they were last seen, by watch events, listings and our own writes' answers.

Belongs here: which of two versions is newer, and which objects make up an account. Does not belong here: asking the API
server for anything. Nothing is kept here that a listing would not bring back.
"""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from talkdesk_crds.app import TalkdeskApp
from talkdesk_crds.installation import TalkdeskInstallation
from talkdesk_crds.names import tenant_name
from talkdesk_crds.tenant import TalkdeskTenant
from talkdesk_operator.domain.account_key import AccountKey
from talkdesk_operator.domain.ports.cache import Unreadable
from talkdesk_operator.informer.cached_object import (
    KINDS,
    CachedObject,
    ObjectKey,
    is_over,
    newer,
    object_key_of,
    of_others,
    raw_version,
)
from talkdesk_operator.informer.compact import CompactObject, Compactor

__all__ = ["KINDS", "Change", "InformerCache"]

_TOMBSTONES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a new version of an object came to."""

    changed: bool = False
    """False for a version that was there already or was overtaken by a newer one."""
    keys: frozenset[AccountKey] = frozenset()
    """The accounts concerned; for an app itself and all of its accounts."""
    evidence: str = ""
    """The version, where it may turn out to be a write of our own whose answer is still on its way."""


_Account: TypeAlias = dict[ObjectKey, CompactObject]
"""What is there of one account: a tenant and one or two installations, mostly."""


@dataclass(slots=True)
class _Ahead:
    """How far an object is ahead of the watches, after a write of our own."""

    observed: str
    """The newest version that a watch or a listing showed."""
    own: set[str] = field(default_factory=set)
    """Later versions that a write of ours made."""
    others: bool = False
    """Somebody else made one of the later versions, and a listing may never show that one by itself."""


def _nobody(_key: AccountKey, _version: str) -> None:
    """Hear of an echo, and do nothing."""


class InformerCache:
    """Objects by place, and accounts by key. Not for more than one event loop."""

    def __init__(self, *, echoed: Callable[[AccountKey, str], None] = _nobody, tombstones: int = _TOMBSTONES) -> None:
        """Tell `echoed` when what a watch showed as news, by its `evidence`, turns out to be a write of our own.

        As many `tombstones`, uids of deleted objects, are remembered, lest a late answer to a write brings one back.
        """
        self._echoed = echoed
        self._objects: dict[ObjectKey, CompactObject] = {}
        self._ahead: dict[ObjectKey, _Ahead] = {}
        self._accounts: dict[AccountKey, _Account] = {}
        self._of_app: dict[tuple[str, str], set[AccountKey]] = {}
        self._buried: OrderedDict[str, None] = OrderedDict()
        self._tombstones = tombstones
        self._packer = Compactor()

    def put(self, raw: Mapping[str, Any]) -> Change:
        """Take an object as the answer to a write of our own; KeyError when it is not of one of our kinds.

        Versions are compared as integers, which Kubernetes promises for its own API server; else the last one wins.
        """
        if is_over(raw):
            return self.remove(raw)
        place, version = object_key_of(raw), raw_version(raw)
        known = self._objects.get(place)
        if raw["metadata"].get("uid") in self._buried:
            return Change()
        if known is not None and not newer(version, known.version):
            self._was_ours(known, version)  # the watch was faster than the answer
            return Change()
        before = None if known is None else of_others(self._packer.open(known))
        packed = self._packer.pack(raw, place)
        ahead = self._ahead.setdefault(place, _Ahead("" if known is None else known.version))
        ahead.own.add(version)
        ahead.others = ahead.others or (known is not None and before != of_others(self._packer.open(packed)))
        return Change(changed=True, keys=self._replace(packed))

    def observe(self, raw: Mapping[str, Any]) -> Change:
        """Take an object as a watch or a listing showed it; KeyError when it is not of one of our kinds.

        What a write of ours brought about is no change. What somebody else changed is one, even when the answer to a
        later write of ours showed it before.
        """
        if is_over(raw):
            return self.remove(raw)
        place, version = object_key_of(raw), raw_version(raw)
        known, ahead = self._objects.get(place), self._ahead.get(place)
        if raw["metadata"].get("uid") in self._buried:
            return Change()
        if known is None:
            return Change(changed=True, keys=self._replace(self._packer.pack(raw, place)))
        if not newer(version, known.version if ahead is None else ahead.observed):
            return Change()
        if ahead is not None:
            ahead.observed = version
            if not newer(known.version, version):
                del self._ahead[place]
            if version in ahead.own and not ahead.others:
                return Change()
        if not newer(version, known.version):
            return Change(changed=True, keys=self._keys(known))
        before = of_others(self._packer.open(known))
        packed = self._packer.pack(raw, place)
        evidence = version if before == of_others(self._packer.open(packed)) else ""
        return Change(changed=True, keys=self._replace(packed), evidence=evidence)

    def remove(self, raw: Mapping[str, Any]) -> Change:
        """Take note that the object is gone."""
        uid = raw["metadata"].get("uid", "")
        self._bury(uid)
        place = object_key_of(raw)
        known = self._objects.get(place)
        if known is None or known.uid != uid:
            return Change()  # already known, or the name belongs to a successor by now
        return Change(changed=True, keys=self._drop(known))

    def retain(self, kind: str, namespace: str, present: Container[tuple[str, str]], version: str) -> Change:
        """Drop the objects that a complete listing at `version` did not show, by their namespaces and names.

        `namespace` is the listing's, empty for all. What is newer than the listing stays.
        """
        gone = [
            packed
            for place, packed in self._objects.items()
            if place[0] == kind
            and namespace in ("", place[1])
            and place[1:] not in present
            and not newer(packed.version, version)
        ]
        keys: frozenset[AccountKey] = frozenset()
        for packed in gone:
            self._bury(packed.uid)
            keys |= self._drop(packed)
        return Change(changed=bool(gone), keys=keys)

    def newest(self) -> int:
        """Return the highest resourceVersion that is held; 0 for none."""
        versions = (packed.version for packed in self._objects.values())
        return max((int(v) for v in versions if v.isdecimal()), default=0)

    def __contains__(self, key: AccountKey) -> bool:
        return key in self._accounts

    def installations(self, key: AccountKey) -> tuple[TalkdeskInstallation, ...]:
        """Return the account's installations."""
        return tuple(held for held in self._of(key) if isinstance(held, TalkdeskInstallation))

    def current(self, installation: TalkdeskInstallation) -> TalkdeskInstallation | None:
        """Return an installation as it is known now; None when it is gone, or replaced by another of its name."""
        packed = self._objects.get((TalkdeskInstallation.INFO.kind, *installation.key))
        if packed is None or packed.uid != installation.metadata.uid:
            return None
        held = self._packer.open(packed)
        return held if isinstance(held, TalkdeskInstallation) else None

    def all_installations(self) -> Iterator[TalkdeskInstallation]:
        """Return every installation."""
        return (held for held in self._all(TalkdeskInstallation.INFO.kind) if isinstance(held, TalkdeskInstallation))

    def tenant(self, key: AccountKey) -> TalkdeskTenant | None:
        """Return the account's tenant: of several, the one that has the name we would give it."""
        tenants = [held for held in self._of(key) if isinstance(held, TalkdeskTenant)]
        proper = tenant_name(key.app, key.account_id)
        return min(tenants, key=lambda tenant: tenant.metadata.name != proper, default=None)

    def app(self, namespace: str, name: str) -> TalkdeskApp | None:
        """Return the app; None also when it can't be read."""
        packed = self._objects.get((TalkdeskApp.INFO.kind, namespace, name))
        held = None if packed is None else self._packer.open(packed)
        return held if isinstance(held, TalkdeskApp) else None

    def apps(self) -> Iterator[TalkdeskApp]:
        """Return every app that can be read."""
        return (held for held in self._all(TalkdeskApp.INFO.kind) if isinstance(held, TalkdeskApp))

    def key_of_tenant(self, namespace: str, name: str) -> AccountKey | None:
        """Return the account of a tenant, by the tenant's place."""
        packed = self._objects.get((TalkdeskTenant.INFO.kind, namespace, name))
        return None if packed is None else packed.key

    def keys_of_app(self, namespace: str, name: str) -> tuple[AccountKey, ...]:
        """Return the accounts of an app, whether or not the app itself exists."""
        return tuple(self._of_app.get((namespace, name), ()))

    def account_keys(self) -> tuple[AccountKey, ...]:
        """Return all apps, and all accounts of which there is anything."""
        apps = (place[1:] for place in self._objects if place[0] == TalkdeskApp.INFO.kind)
        return (*(AccountKey.of_app(*app) for app in apps), *self._accounts)

    def unreadable(self, key: AccountKey) -> tuple[Unreadable, ...]:
        """Return what can't be understood of the account: its app, its installations, its tenant."""
        app = self._objects.get((TalkdeskApp.INFO.kind, key.namespace, key.app))
        helds = (*(() if app is None else (self._packer.open(app),)), *self._of(key))
        return tuple(held for held in helds if isinstance(held, Unreadable))

    def all_unreadable(self) -> Iterator[Unreadable]:
        """Return everything that can't be understood."""
        return (held for kind in KINDS for held in self._all(kind.INFO.kind) if isinstance(held, Unreadable))

    def _bury(self, uid: str) -> None:
        self._buried[uid] = None
        if len(self._buried) > self._tombstones:
            self._buried.popitem(last=False)

    def _replace(self, packed: CompactObject) -> frozenset[AccountKey]:
        known = self._objects.get(packed.place)
        keys = (self._unlink(known) if known is not None else frozenset()) | self._link(packed)
        self._objects[packed.place] = packed
        return keys

    def _drop(self, packed: CompactObject) -> frozenset[AccountKey]:
        del self._objects[packed.place]
        self._ahead.pop(packed.place, None)
        self._packer.forget(packed.place)
        return self._unlink(packed)

    def _was_ours(self, packed: CompactObject, version: str) -> None:
        for key in self._keys(packed):
            self._echoed(key, version)

    def _keys(self, packed: CompactObject) -> frozenset[AccountKey]:
        return self._accounts_of_app(packed) if packed.key is None else frozenset((packed.key,))

    def _of(self, key: AccountKey) -> Iterator[CachedObject]:
        return (self._packer.open(packed) for packed in self._accounts.get(key, {}).values())

    def _all(self, kind: str) -> Iterator[CachedObject]:
        return (self._packer.glance(packed) for place, packed in self._objects.items() if place[0] == kind)

    def _link(self, packed: CompactObject) -> frozenset[AccountKey]:
        if (key := packed.key) is None:
            return self._accounts_of_app(packed)
        self._accounts.setdefault(key, {})[packed.place] = packed
        self._of_app.setdefault((key.namespace, key.app), set()).add(key)
        return frozenset((key,))

    def _unlink(self, packed: CompactObject) -> frozenset[AccountKey]:
        if (key := packed.key) is None:
            return self._accounts_of_app(packed)
        account = self._accounts[key]
        del account[packed.place]
        if not account:
            del self._accounts[key]
            siblings = self._of_app[key.namespace, key.app]
            siblings.discard(key)
            if not siblings:
                del self._of_app[key.namespace, key.app]
        return frozenset((key,))

    def _accounts_of_app(self, packed: CompactObject) -> frozenset[AccountKey]:
        kind, namespace, name = packed.place
        if kind != TalkdeskApp.INFO.kind:
            return frozenset()
        return frozenset((AccountKey.of_app(namespace, name), *self.keys_of_app(namespace, name)))
