"""The templates that give an app's namespace its rights, made from the components of kustomize."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from generators.chart_rules import ROOT, finished, substitute
from generators.helm_page import Page, fill
from generators.kustomization import Resource, resources

__all__ = ["access_pages"]

_COMPONENTS: Final = ROOT / "manifests" / "components"
_ACCOUNT: Final = 'default "tenant-provisioner" $app.serviceAccount'
_KIND: Final = 'ternary "Role" "ClusterRole" (gt (len $.Values.namespaces) 0)'
_ELSEWHERE: Final = """\
{{- if and $.Values.namespaces (not (has $app.namespace $.Values.namespaces)) }}
{{- fail (printf "appAccess: %s is not among the namespaces of the values" $app.namespace) }}
{{- end }}
"""
_CONDITIONS: Final = {
    "app-access": "",
    "app-logout": "$app.logoutSecrets",
    "app-records": "$app.records",
    "tenant-provisioner": "$app.provisioner",
}
"""What of an entry of `appAccess` has a component applied; the first one always is."""

_WORDS: Final = frozenset({"replacements"})
"""They put the namespace's name in the place of NAMESPACE, as `_page` does."""


def access_pages() -> Iterator[tuple[str, Path, str]]:
    """Yield the name of a template, what it is made from, and its text."""
    for component, wanted in _CONDITIONS.items():
        folder = _COMPONENTS / component
        parts = [_page(each) for each in resources(folder, done_elsewhere=_WORDS)]
        body = "".join(f"---\n{part}" for part in parts)
        inner = fill("{{- if WANTED }}\n", WANTED=wanted) + body + "{{- end }}\n" if wanted else _ELSEWHERE + body
        yield f"{component}.yaml", folder, "{{- range $app := .Values.appAccess }}\n" + inner + "{{- end }}\n"


def _page(resource: Resource) -> str:
    page = Page()
    document: dict[str, Any] = resource.document
    if document["kind"] == "ClusterRoleBinding":
        document = {**document, "roleRef": {**document["roleRef"], "name": "THE-ROLE"}}
    namespace, account = page.value("$app.namespace"), page.value(_ACCOUNT)
    words = {
        "talkdesk-system": page.value("$.Release.Namespace"),
        "name-of-your-namespace": page.value("$app.namespace | quote"),
        "NAMESPACE": namespace,
        "tenant-provisioner": account,
        "THE-ROLE": page.value(f'default (printf "%s-%s" $app.namespace ({_ACCOUNT})) $app.provisioner.clusterRole'),
        "td-": page.value("$app.provisioner.namePrefix"),
    }
    if document["kind"] == "RoleBinding" and document["roleRef"]["kind"] == "ClusterRole":
        document = {**document, "roleRef": {**document["roleRef"], "kind": page.value(_KIND)}}
    document = substitute(document, words)
    for rule in document.get("rules", []):
        if rule.get("resourceNames") == ["single-logout"]:
            rule["resourceNames"] = page.value("toJson $app.logoutSecrets")
    return page.text(finished(page, document, resource.labels))
