"""The templates for named namespaces: Roles there, in the place of ClusterRoles.

What manifests/components/namespaced and app-access-namespaced do by patches is done here to the same objects; an
integration test compares the results.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from generators.chart_rules import ROOT, finished, substitute
from generators.helm_page import Page
from generators.kustomization import Resource, resources

__all__ = ["namespaced_pages"]

_COMPONENT: Final = ROOT / "manifests" / "components" / "app-access-namespaced"
_BASE: Final = ROOT / "manifests" / "base"
_PATCHED: Final = frozenset({"components", "patches", "replacements"})
_IF_NOT_NAMED: Final = (
    "{{- if and .Values.namespaces (not (has .Release.Namespace .Values.namespaces)) }}\n"  # else it is there already
)


def namespaced_pages() -> Iterator[tuple[str, Path, str]]:
    """Yield the name of a template, what it is made from, and its text."""
    each = [_page(resource, "$namespace") for resource in resources(_COMPONENT, done_elsewhere=_PATCHED)]
    body = "".join(f"---\n{part}" for part in each)
    yield "namespaces.yaml", _COMPONENT, "{{- range $namespace := .Values.namespaces }}\n" + body + "{{- end }}\n"
    # The Lease's namespace is one of those that are watched, so both look for our kinds there, too.
    own = [
        _page(resource, "$.Release.Namespace")
        for resource in resources(_BASE)
        if resource.document["kind"] in {"ClusterRole", "ClusterRoleBinding"}
        and resource.document["metadata"]["name"] in {"talkdesk-operator", "talkdesk-webhook"}
    ]
    yield "release.yaml", _BASE, _IF_NOT_NAMED + "---\n".join(own) + "{{- end }}\n"


def _page(resource: Resource, namespace: str) -> str:
    page = Page()
    words = {
        "talkdesk-system": page.value("$.Release.Namespace"),
        "name-of-your-namespace": page.value(f"{namespace} | quote"),
    }
    document: dict[str, Any] = substitute(resource.document, words)
    kind = document["kind"].removeprefix("Cluster")
    metadata = document["metadata"] | {"namespace": page.value(f"{namespace} | quote")}
    document = document | {"kind": kind, "metadata": metadata}
    if kind == "RoleBinding":
        document["roleRef"] = document["roleRef"] | {"kind": "Role"}
    return page.text(finished(page, document, resource.labels))
