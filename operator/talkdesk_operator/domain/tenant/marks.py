"""Whose an object in the cluster is, told by the marks that it bears.

The labels are for searches; the annotation names the TalkdeskTenant exactly, with its uid. An object counts as a
tenant's only when all of them agree: whoever overwrote some of them left a doubt, and in doubt nothing is taken over
or deleted.

Belongs here: writing marks and judging them, pure. Does not belong here: whether a TalkdeskTenant of another uid still
exists, which only the API server knows (`reconcilers.ownership`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from talkdesk_crds.names import (
    ANNOTATION_OWNER,
    LABEL_APP,
    LABEL_MANAGED_BY,
    LABEL_NAMESPACE,
    LABEL_TENANT,
    MANAGED_BY,
    dns_label,
)
from talkdesk_crds.shard_slots import slot_label
from talkdesk_crds.tenant import TalkdeskTenant

__all__ = ["Mark", "Ownership", "named_tenant", "tenant_selector"]

_LABEL_LENGTH: Final = 63


class Ownership(Enum):
    """Whose an object is, for one tenant."""

    OURS = auto()
    """All marks name this very TalkdeskTenant."""
    EARLIER = auto()
    """All marks name a TalkdeskTenant of this namespace and name with another uid. There is one of a name at a time, so
    it is this tenant in an earlier life, unless this one is itself out of date."""
    ANOTHERS = auto()
    """All marks agree on another TalkdeskTenant."""
    UNMARKED = auto()
    """It bears no mark of ours: the operator has nothing to do with it."""
    DOUBTFUL = auto()
    """Marks are missing or contradict each other."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the objects of one TalkdeskTenant bear."""

    app: str
    """Name of the TalkdeskApp."""
    namespace: str
    """Namespace of app and tenant."""
    tenant: str
    """Name of the TalkdeskTenant."""
    uid: str
    """The TalkdeskTenant's uid."""
    account_id: str
    """The customer's account, from which the label for watches by shard follows; that says nothing of whose it is."""

    @classmethod
    def of(cls, tenant: TalkdeskTenant) -> "Mark":
        """Return the mark of a tenant that the API server has stored."""
        metadata, spec = tenant.metadata, tenant.spec
        return cls(spec.app_ref.name, metadata.namespace, metadata.name, metadata.uid, spec.account_id)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object of the tenant."""
        return _labels(self.app, self.namespace, self.tenant)

    @property
    def owner(self) -> str:
        """The value of the annotation."""
        return f"{self.namespace}/{self.tenant}/{self.uid}"

    def stamp(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of a rendered object that bears the marks."""
        metadata = manifest["metadata"]
        slot = slot_label(self.namespace, self.app, self.account_id)
        labels = {**(metadata.get("labels") or {}), **self.labels, **slot}
        annotations = {**(metadata.get("annotations") or {}), ANNOTATION_OWNER: self.owner}
        return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}

    def judge(self, live: Mapping[str, Any]) -> Ownership:
        """Return whose an object is."""
        labels, named = _labels_of(live), named_tenant(live)
        if named is None:
            traces = any(key in labels for key in (LABEL_APP, LABEL_NAMESPACE, LABEL_TENANT))
            traces = traces or labels.get(LABEL_MANAGED_BY) == MANAGED_BY or ANNOTATION_OWNER in _annotations_of(live)
            return Ownership.DOUBTFUL if traces else Ownership.UNMARKED
        namespace, tenant, uid = named
        ours = (namespace, tenant) == (self.namespace, self.tenant)
        app = self.app if ours else labels.get(LABEL_APP)
        if not app or not _labels(str(app), namespace, tenant).items() <= labels.items():
            return Ownership.DOUBTFUL
        if not ours:
            return Ownership.ANOTHERS
        return Ownership.OURS if uid == self.uid else Ownership.EARLIER


def tenant_selector(namespace: str, tenant: str) -> str:
    """Return the label selector for everything that was ever made for a TalkdeskTenant of that name."""
    value = _label_value(tenant)
    return f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_NAMESPACE}={namespace},{LABEL_TENANT}={value}"


def _labels(app: str, namespace: str, tenant: str) -> dict[str, str]:
    return {
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_APP: app,  # the kind allows no longer name than a label's value may be
        LABEL_NAMESPACE: namespace,
        LABEL_TENANT: _label_value(tenant),
    }


def _label_value(name: str) -> str:
    """Return a name, or what stands for one that is too long for a label's value; the annotation has it whole."""
    return name if len(name) <= _LABEL_LENGTH else dns_label(name)


def named_tenant(live: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return namespace, name and uid of the TalkdeskTenant that an object's annotation names; None for none."""
    match str(_annotations_of(live).get(ANNOTATION_OWNER, "")).split("/"):
        case [namespace, name, uid] if namespace and name and uid:
            return namespace, name, uid
        case _:
            return None


def _labels_of(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return live.get("metadata", {}).get("labels") or {}


def _annotations_of(live: Mapping[str, Any]) -> Mapping[str, Any]:
    return live.get("metadata", {}).get("annotations") or {}
