"""What every object of the chart has, and when it is there at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from generators.helm_page import Page, fill

__all__ = ["ROOT", "condition", "finished", "substitute"]

ROOT: Final = Path(__file__).parents[2]
_ONCE_PER_CLUSTER: Final = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole"}
_PROGRAMS: Final = ("talkdesk-operator", "talkdesk-webhook")
_KEPT: Final = {"helm.sh/resource-policy": "keep"}
_MORE_LABELS: Final = {
    "PodMonitor": '(dict "context" $ "labels" $.Values.monitoring.podMonitor.labels)',
    "PrometheusRule": '(dict "context" $ "labels" $.Values.monitoring.prometheusRule.labels)',
}
_ANNOTATIONS: Final = "{{- with $.Values.commonAnnotations }}\n{{- toYaml . | nindent +0 }}\n{{- end }}"


def substitute(value: Any, words: Mapping[str, str]) -> Any:
    """Put something in the place of each of the words, wherever it stands in an object's texts."""
    match value:
        case str():
            for word, instead in words.items():
                value = value.replace(word, instead)
            return value
        case list():
            return [substitute(each, words) for each in value]
        case dict():
            return {key: substitute(each, words) for key, each in value.items()}
        case _:
            return value


def finished(page: Page, document: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the object with the labels and annotations that the chart gives to each."""
    metadata = dict(document["metadata"])
    context = _MORE_LABELS.get(document["kind"], "$")
    label_block = page.block(fill('{{- include "talkdesk.labels" CONTEXT | nindent +0 }}', CONTEXT=context))
    own = metadata.pop("annotations", {}) | (_KEPT if document["kind"] == "CustomResourceDefinition" else {})
    metadata["labels"] = {**labels, **metadata.get("labels", {}), label_block: None}
    if own:
        metadata["annotations"] = {**own, page.block(_ANNOTATIONS): None}
    else:
        metadata |= page.given("annotations", _annotations(document))
    return {**document, "metadata": metadata}


def _annotations(document: Mapping[str, Any]) -> str:
    """Return where the values say what annotations an object gets that has none of its own."""
    component = str(document["metadata"]["name"]).removeprefix("talkdesk-")
    match document["kind"]:
        case "ServiceAccount" if component in {"operator", "webhook"}:
            more = f"$.Values.{component}.serviceAccount.annotations"
        case "Service" if document["spec"].get("clusterIP") != "None":
            more = f"$.Values.{component}.service.annotations"
        case _:
            return "$.Values.commonAnnotations"
    return f"merge (dict) {more} $.Values.commonAnnotations"


def condition(document: Mapping[str, Any], text: str) -> str:
    """Return the text, there only if the values want the object."""
    kind, name = document["kind"], document["metadata"]["name"]
    component = "operator" if name.startswith("talkdesk-operator") else "webhook"
    match kind:
        case _ if name == "talkdesk-operator-shards":
            test = "gt (int .Values.operator.shards) 1"
        case _ if name.startswith("talkdesk-metrics"):
            test = ".Values.metrics.auth.enabled"
        case "CustomResourceDefinition":
            test = ".Values.crds.enabled"
        case "NetworkPolicy":
            test = ".Values.networkPolicy.enabled"
        case "PodMonitor":
            test = ".Values.monitoring.podMonitor.enabled"
        case "PrometheusRule":
            test = ".Values.monitoring.prometheusRule.enabled"
        case "PodDisruptionBudget":
            test = f".Values.{component}.podDisruptionBudget.enabled"
        case "ClusterRole" | "ClusterRoleBinding" if name.startswith(_PROGRAMS):
            # What becomes of it where there are namespaces is in chart_namespaced.
            test = "not .Values.namespaces"
        case _ if kind in _ONCE_PER_CLUSTER:
            test = ".Values.clusterResources.enabled"
        case _:
            return f"{text}\n"
    return fill("{{- if TEST }}\n", TEST=test) + text + "\n{{- end }}\n"
