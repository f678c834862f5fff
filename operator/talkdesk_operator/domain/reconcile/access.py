"""Which rights an app needs in the cluster.

Belongs here: needs; pure. Does not belong here: asking the API server (`adapters.kubernetes.access_reviews`), what is
said of rights that are missing (`access_words`).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from talkdesk_crds.names import GROUP
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.templates.leaves import Constant, MapNode

__all__ = [
    "RBAC",
    "RECORD_VERBS",
    "AccessReport",
    "AccessReviews",
    "Party",
    "Place",
    "Right",
    "TemplateKind",
    "rights_in_namespace",
    "template_kinds",
    "watched_kinds",
]

RBAC: Final = "rbac.authorization.k8s.io"
RECORD_VERBS: Final = ("create", "patch")
"""What the operator needs of Secrets to keep records of users, beside what every app needs."""
_REVISIONS: Final = ("get", "list", "create", "delete")
_APPLY: Final = ("create", "delete", "get", "patch")
_WATCH: Final = ("list", "watch")


class Party(StrEnum):
    """Whose right it is."""

    OPERATOR = "the operator"
    WEBHOOK = "the webhook"
    PROVISIONER = "the app's service account"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; in all namespaces where `namespace` is empty."""

    party: Party
    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class TemplateKind:
    """A kind of the template; `namespace` is empty where it has none, or one for each tenant."""

    group: str
    version: str
    kind: str
    namespace: str = ""

    @property
    def everywhere(self) -> "TemplateKind":
        """The kind alone, wherever its objects are."""
        return replace(self, namespace="")

    def rights(self, plural: str) -> tuple[Right, ...]:
        """Return what applying and deleting its objects needs."""
        return tuple(Right(Party.PROVISIONER, verb, self.group, plural, self.namespace) for verb in _APPLY)

    def watch_rights(self, plural: str) -> tuple[Right, ...]:
        """Return what is needed to see at once when somebody changes its objects: a kind is watched everywhere."""
        return tuple(Right(Party.PROVISIONER, verb, self.group, plural) for verb in _WATCH)


@dataclass(frozen=True, slots=True)
class Place:
    """What the YAML names: the app's namespace and service account, and where operator and webhook run."""

    namespace: str
    service_account: str
    system: str


@dataclass(frozen=True, slots=True)
class AccessReport:
    """What the API server says of an app's rights."""

    place: Place
    missing: tuple[Right, ...] = ()
    """Without them something will fail."""
    unwatched: tuple[Right, ...] = ()
    """Without them drift is put right at the next resync, and not at once."""
    absent: tuple[str, ...] = ()
    """Kinds of the template that the cluster does not have, in the words of whoever looked for them."""
    unknown: tuple[Party, ...] = ()
    """Of whose rights the API server tells the operator nothing."""

    @property
    def is_waited_for(self) -> bool:
        """Whether it is worth asking again soon: something is to come that no watch would show."""
        return bool(self.missing or self.absent)


class AccessReviews(Protocol):
    """Asks the API server; raises KubeError."""

    async def review(self, app: CompiledApp) -> AccessReport:
        """Return which rights the app's operator, webhook and service account lack."""


def rights_in_namespace(app: CompiledApp) -> tuple[Right, ...]:
    """Return what operator and webhook need in the app's namespace."""
    namespace, spec = app.resource.metadata.namespace, app.resource.spec
    account = spec.tenant.service_account_name
    brings_users = spec.users is not None and spec.users.scim is not None
    calls = any(step.http is not None for step in spec.tenant.steps)
    records = RECORD_VERBS if brings_users or calls else ()
    logout = () if spec.logout is None else (spec.logout.secret_ref.name,)
    return (
        *(Right(Party.OPERATOR, verb, "", "secrets", namespace) for verb in ("get", "list", "delete", *records)),
        Right(Party.OPERATOR, "delete", GROUP, "talkdeskinstallations", namespace),
        *(Right(Party.OPERATOR, verb, "apps", "controllerrevisions", namespace) for verb in _REVISIONS),
        Right(Party.OPERATOR, "impersonate", "", "serviceaccounts", namespace, account),
        *(Right(Party.WEBHOOK, verb, GROUP, "talkdeskinstallations", namespace) for verb in ("create", "patch")),
        Right(Party.WEBHOOK, "create", "", "secrets", namespace),
        *(Right(Party.WEBHOOK, "get", "", "secrets", namespace, name) for name in logout),
    )


def template_kinds(app: CompiledApp) -> tuple[TemplateKind, ...]:
    """Return the kinds of the template whose rights can be told before there is a tenant.

    A template that makes RoleBindings may give itself rights in the namespaces that it makes.
    """
    manifests = [manifest for step in app.template.steps for manifest in step.manifests] if app.template else []
    binds = any((manifest.group, manifest.kind) == (RBAC, "RoleBinding") for manifest in manifests)
    found = []
    for manifest in manifests:
        namespace = _namespace(manifest.tree)
        if namespace is None and binds:
            continue
        found.append(TemplateKind(manifest.group, manifest.version, manifest.kind, namespace or ""))
    return tuple(dict.fromkeys(found))


def _namespace(tree: MapNode) -> str | None:
    """Return the namespace of a manifest, empty without one; None where it is another one for each tenant."""
    metadata = dict(tree.items).get("metadata")
    namespace = dict(metadata.items).get("namespace", Constant("")) if isinstance(metadata, MapNode) else Constant("")
    return str(namespace.value or "") if isinstance(namespace, Constant) else None


def watched_kinds(app: CompiledApp) -> tuple[TemplateKind, ...]:
    """Return all kinds of the template, each once."""
    manifests = [manifest for step in app.template.steps for manifest in step.manifests] if app.template else []
    return tuple(dict.fromkeys(TemplateKind(each.group, each.version, each.kind) for each in manifests))
