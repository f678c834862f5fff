"""Which rights an app needs in the cluster, and what is said of those that are missing: words, and YAML to copy.

Belongs here: needs and words; pure. Does not belong here: asking the API server (`adapters.kubernetes.access_reviews`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from talkdesk_crds.names import GROUP
from talkdesk_operator.domain.reconcile.scope import CompiledApp
from talkdesk_operator.templates.leaves import Constant, MapNode
from talkdesk_runtime.shorten import shorten

__all__ = [
    "AccessReviews",
    "Party",
    "Place",
    "Right",
    "TemplateKind",
    "describe_missing",
    "rights_in_namespace",
    "template_kinds",
]

_RBAC: Final = "rbac.authorization.k8s.io"
_LONGEST: Final = 2048
"""Characters of a condition's message."""
_WORDS: Final = 800
_MORE: Final = "# What is missing then is shown when these are granted.\n"
_APPLY: Final = ("create", "delete", "get", "patch")
_REVISIONS: Final = ("get", "list", "create", "delete")
_RECORD: Final = ("create", "patch")
"""What the operator needs of Secrets to keep records of users, beside what every app needs."""


class AccessReviews(Protocol):
    """Asks the API server; raises KubeError."""

    async def missing(self, app: CompiledApp) -> str:
        """Return in words, and as YAML to copy, which rights the app's operator, webhook and service account lack."""


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

    def rights(self, plural: str) -> tuple[Right, ...]:
        """Return what applying and deleting its objects needs."""
        return tuple(Right(Party.PROVISIONER, verb, self.group, plural, self.namespace) for verb in _APPLY)


@dataclass(frozen=True, slots=True)
class Place:
    """What the YAML names: the app's namespace and service account, and where operator and webhook run."""

    namespace: str
    service_account: str
    system: str


def rights_in_namespace(app: CompiledApp) -> tuple[Right, ...]:
    """Return what operator and webhook need in the app's namespace."""
    namespace, spec = app.resource.metadata.namespace, app.resource.spec
    account = spec.tenant.service_account_name
    records = _RECORD if spec.users is not None and spec.users.scim is not None else ()
    logout = () if spec.logout is None else (spec.logout.secret_ref.name,)
    return (
        *(Right(Party.OPERATOR, verb, "", "secrets", namespace) for verb in ("get", "list", "delete", *records)),
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
    binds = any((manifest.group, manifest.kind) == (_RBAC, "RoleBinding") for manifest in manifests)
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


def describe_missing(missing: Sequence[Right], place: Place) -> str:
    """Return all missing rights in words, and as YAML to copy as far as a message can hold it; empty without any."""
    if not missing:
        return ""
    text = shorten(f"rights are missing: {'; '.join(_words(missing))}", _WORDS) + ". To grant them:\n"
    for number, document in enumerate(_yaml(missing, place)):
        if len(text) + len(document) + len(_MORE) > _LONGEST and number:
            return text + _MORE
        text += f"---\n{document}" if number else document
    return text


def _words(missing: Iterable[Right]) -> Iterator[str]:
    grouped: dict[Right, list[str]] = {}
    for right in missing:
        key = Right(right.party, "", right.group, right.resource, right.namespace, right.name)
        grouped.setdefault(key, []).append(right.verb)
    for key, verbs in grouped.items():
        resource = f"{key.resource}.{key.group}" if key.group else key.resource
        named = f" {key.name}" if key.name else ""
        where = f"in the namespace {key.namespace}" if key.namespace else "in all namespaces"
        yield f"{key.party} may not {', '.join(verbs)} {resource}{named} {where}"


def _yaml(missing: Sequence[Right], place: Place) -> Iterator[str]:
    ours = [right for right in missing if right.party is Party.OPERATOR]
    records = [right for right in ours if right.resource == "secrets" and right.verb in _RECORD]
    for party, name in ((Party.OPERATOR, "talkdesk-operator"), (Party.WEBHOOK, "talkdesk-webhook")):
        if any(right.party is party and not right.name and right not in records for right in missing):
            subject = f"{{kind: ServiceAccount, name: {name}, namespace: {place.system}}}"
            yield _binding("RoleBinding", name, place.namespace, ("ClusterRole", f"{name}-app"), subject)
    if records:
        yield _bound_role("talkdesk-operator", "talkdesk-operator-users", _rule(records[0], records), place)
    for right in missing:
        if right.name:
            yield _for_one_object(right, place)
    theirs = [right for right in missing if right.party is Party.PROVISIONER]
    for namespace in dict.fromkeys(right.namespace for right in theirs):
        kind, name = "Role" if namespace else "ClusterRole", f"{place.namespace}-{place.service_account}"
        rules = dict.fromkeys(_rule(right, theirs) for right in theirs if right.namespace == namespace)
        subject = f"{{kind: ServiceAccount, name: {place.service_account}, namespace: {place.namespace}}}"
        granted = _role(kind, name, namespace, list(rules))
        yield f"{granted}---\n{_binding(f'{kind}Binding', name, namespace, (kind, name), subject)}"


def _for_one_object(right: Right, place: Place) -> str:
    account = "talkdesk-operator" if right.party is Party.OPERATOR else "talkdesk-webhook"
    role = f"impersonate-{right.name}" if right.verb == "impersonate" else f"{account}-logout"
    names = f"resources: [{right.resource}], resourceNames: [{right.name}]"
    return _bound_role(account, role, f"{{apiGroups: [''], {names}, verbs: [{right.verb}]}}", place)


def _bound_role(account: str, role: str, rule: str, place: Place) -> str:
    """Return a Role in the app's namespace and its binding to an account of ours."""
    subject = f"{{kind: ServiceAccount, name: {account}, namespace: {place.system}}}"
    binding = _binding("RoleBinding", role, place.namespace, ("Role", role), subject)
    return f"{_role('Role', role, place.namespace, [rule])}---\n{binding}"


def _rule(right: Right, among: Sequence[Right]) -> str:
    same = (right.group, right.resource, right.namespace)
    verbs = [other.verb for other in among if (other.group, other.resource, other.namespace) == same]
    return f"{{apiGroups: ['{right.group}'], resources: [{right.resource}], verbs: [{', '.join(verbs)}]}}"


def _head(kind: str, name: str, namespace: str) -> str:
    metadata = f"{{name: {name}, namespace: {namespace}}}" if namespace else f"{{name: {name}}}"
    return f"apiVersion: {_RBAC}/v1\nkind: {kind}\nmetadata: {metadata}\n"


def _role(kind: str, name: str, namespace: str, rules: Sequence[str]) -> str:
    return _head(kind, name, namespace) + "rules:\n" + "".join(f"- {rule}\n" for rule in rules)


def _binding(kind: str, name: str, namespace: str, role: tuple[str, str], subject: str) -> str:
    ref = f"roleRef: {{apiGroup: {_RBAC}, kind: {role[0]}, name: {role[1]}}}\n"
    return _head(kind, name, namespace) + ref + f"subjects: [{subject}]\n"
