"""Places for values in Deployments, Services, budgets and network policies."""

from collections.abc import Callable
from typing import Any, Final

from generators.helm_page import Page, fill
from generators.kustomization import Resource

__all__ = ["PLACES"]

Document = dict[str, Any]

_POD_LABELS: Final = '{{- include "talkdesk.podLabels" (dict "context" $ "labels" VALUES.podLabels) | nindent +0 }}'
_POD_ANNOTATIONS: Final = """\
{{- with merge (dict) VALUES.podAnnotations $.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent +2 }}
{{- end }}"""
_PRIORITY: Final = """\
{{- with default $.Values.priorityClassName VALUES.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}"""
_IMAGE: Final = 'include "talkdesk.image" (dict "context" $ "image" VALUES.image) | quote'
_NAMESPACES: Final = """\
{{- with $.Values.namespaces }}
- name: PREFIXNAMESPACES
  value: {{ join "," (prepend . $.Release.Namespace | uniq) | quote }}
{{- end }}"""
_SHARDS: Final = """\
{{- if gt (int $.Values.operator.shards) 1 }}
- name: TALKDESK_OPERATOR_SHARDS
  value: {{ int $.Values.operator.shards | quote }}
{{- end }}"""
_LEASE: Final = """\
{{- with $.Values.namespaces }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [talkdesk-operator]
  verbs: [watch]
{{- end }}"""
_SETTINGS: Final = """\
{{- with VALUES.settings }}
{{- include "talkdesk.settings" (dict "prefix" "PREFIX" "settings" .) | nindent +0 }}
{{- end }}"""
_METRICS_ENV: Final = """\
{{- if $.Values.metrics.auth.enabled }}
- name: PREFIXMETRICS_ACCESS
  value: authorized
- name: PREFIXMETRICS_TLS_CERT_FILE
  value: /etc/talkdesk/metrics-tls/tls.crt
- name: PREFIXMETRICS_TLS_KEY_FILE
  value: /etc/talkdesk/metrics-tls/tls.key
{{- end }}"""
_TLS_ENV: Final = """\
{{- if $.Values.webhook.tls.secretName }}
- name: TALKDESK_WEBHOOK_TLS_CERT_FILE
  value: /etc/talkdesk/tls/tls.crt
- name: TALKDESK_WEBHOOK_TLS_KEY_FILE
  value: /etc/talkdesk/tls/tls.key
{{- end }}"""
_TLS_VOLUME: Final = """\
{{- with $.Values.webhook.tls.secretName }}
- name: tls
  secret:
    secretName: {{ . | quote }}
{{- end }}
"""
_TLS_MOUNT: Final = """\
{{- if $.Values.webhook.tls.secretName }}
- name: tls
  mountPath: /etc/talkdesk/tls
  readOnly: true
{{- end }}
"""
_TLS_PORT: Final = """\
{{- if $.Values.webhook.tls.secretName }}
- name: https
  port: 443
  targetPort: http
  appProtocol: https
{{- else }}
PORTS
{{- end }}"""
_VOLUMES: Final = """\
{{- if $.Values.metrics.auth.enabled }}
- name: metrics-tls
  secret:
    secretName: {{ $.Values.metrics.auth.tlsSecret | quote }}
{{- end }}
{{- with VALUES.extraVolumes }}
{{- toYaml . | nindent +0 }}
{{- end }}"""
_MOUNTS: Final = """\
{{- if $.Values.metrics.auth.enabled }}
- name: metrics-tls
  mountPath: /etc/talkdesk/metrics-tls
  readOnly: true
{{- end }}
{{- with VALUES.extraVolumeMounts }}
{{- toYaml . | nindent +0 }}
{{- end }}"""
_SCRAPED_BY_TLS: Final = """\
{{- if $.Values.metrics.auth.enabled }}
scheme: https
authorization:
  credentials:
    name: {{ $.Values.metrics.auth.tokenSecret | quote }}
    key: token
tlsConfig:
  serverName: {{ $.Values.metrics.auth.serverName | quote }}
  ca:
    secret:
      name: {{ $.Values.metrics.auth.tlsSecret | quote }}
      key: ca.crt
{{- end }}"""
_SERVICE: Final = """\
{{- if ne VALUES.type "ClusterIP" }}
type: {{ VALUES.type }}
{{- end }}
{{- with VALUES.externalTrafficPolicy }}
externalTrafficPolicy: {{ . | quote }}
{{- end }}
{{- with VALUES.loadBalancerClass }}
loadBalancerClass: {{ . | quote }}
{{- end }}
{{- with VALUES.loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent +2 }}
{{- end }}"""
_BUDGET: Final = """\
{{- if kindIs "invalid" VALUES.maxUnavailable }}
minAvailable: {{ VALUES.minAvailable }}
{{- else }}
maxUnavailable: {{ VALUES.maxUnavailable }}
{{- end }}"""


def _deployment(page: Page, document: Document, resource: Resource) -> Document:
    name = _component(document)
    values = f"$.Values.{name}"
    spec = document["spec"]
    template = spec["template"]
    labels = {**resource.template_labels, **template["metadata"]["labels"]}
    labels[page.block(fill(_POD_LABELS, VALUES=values))] = None
    annotations = page.block(fill(_POD_ANNOTATIONS, VALUES=values))
    metadata = {**template["metadata"], "labels": labels, annotations: None}
    pod = _pod(page, template["spec"], name)
    replaced = {"replicas": page.value(f"{values}.replicas"), "template": {"metadata": metadata, "spec": pod}}
    return {**document, "spec": {**spec, **replaced}}


def _pod(page: Page, pod: Document, name: str) -> Document:
    values = f"$.Values.{name}"
    (container,) = pod["containers"]
    made: Document = {}
    for key, value in pod.items():
        match key:
            case "terminationGracePeriodSeconds":
                made[key] = page.value(f"{values}.{key}")
            case "securityContext":
                made |= page.instead(key, f"{values}.podSecurityContext", value)
            case "topologySpreadConstraints" | "affinity":
                made |= page.instead(key, f"{values}.{key}", value)
            case "containers":
                pass  # last, because it is long
            case "volumes":
                made[key] = [*value, page.block(_volumes(name))]
            case _:
                made[key] = value
    for key in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"):
        if key not in pod:
            made |= page.given(key, f"{values}.{key}")
    if "volumes" not in pod:
        made[page.block(_if_any("volumes", f"{values}.extraVolumes", _volumes(name)))] = None
    made |= page.given("imagePullSecrets", "$.Values.imagePullSecrets")
    made[page.block(fill(_PRIORITY, VALUES=values))] = None
    return {**made, "containers": [_container(page, container, name)]}


def _container(page: Page, container: Document, name: str) -> Document:
    values = f"$.Values.{name}"
    made: Document = {}
    for key, value in container.items():
        match key:
            case "image":
                made[key] = page.value(fill(_IMAGE, VALUES=values))
                made["imagePullPolicy"] = page.value(f"default $.Values.image.pullPolicy {values}.image.pullPolicy")
            case "env":
                made[key] = [*value, *_environment(page, name)]
            case "resources":
                made |= page.given(key, f"{values}.resources")
            case "securityContext":
                made |= page.instead(key, f"{values}.securityContext", value)
            case "volumeMounts":
                made[key] = [*value, page.block(_mounts(name))]
            case _:
                made[key] = value
    if "volumeMounts" not in container:
        made[page.block(_if_any("volumeMounts", f"{values}.extraVolumeMounts", _mounts(name)))] = None
    return made


def _volumes(name: str) -> str:
    return (_TLS_VOLUME if name == "webhook" else "") + fill(_VOLUMES, VALUES=f"$.Values.{name}")


def _mounts(name: str) -> str:
    return (_TLS_MOUNT if name == "webhook" else "") + fill(_MOUNTS, VALUES=f"$.Values.{name}")


def _if_any(key: str, more: str, items: str) -> str:
    """Return a list that is there when an item is."""
    tls = "$.Values.webhook.tls.secretName " if "webhook" in more else ""
    test = fill("{{- if or $.Values.metrics.auth.enabled TLSMORE }}\n", TLS=tls, MORE=more)
    return f"{test}{key}:\n{items}\n" + "{{- end }}"


def _environment(page: Page, name: str) -> list[str]:
    values, prefix = f"$.Values.{name}", f"TALKDESK_{name.upper()}_"
    settings = page.block(fill(_SETTINGS, VALUES=values, PREFIX=prefix))
    own = [page.block(fill(_NAMESPACES, PREFIX=prefix)), *([page.block(_SHARDS)] if name == "operator" else [])]
    metrics = page.block(fill(_METRICS_ENV, PREFIX=prefix))
    tls = [page.block(_TLS_ENV)] if name == "webhook" else []
    return [*own, metrics, *tls, settings, page.more(f"{values}.extraEnv")]


def _service(page: Page, document: Document, _: Resource) -> Document:
    if document["spec"].get("clusterIP") == "None":
        return document  # for figures alone
    text = fill(_SERVICE, VALUES=f"$.Values.{_component(document)}.service")
    ports = page.text(document["spec"]["ports"]).rstrip("\n")
    spec = {**document["spec"], "ports": [page.block(fill(_TLS_PORT, PORTS=ports))]}
    return {**document, "spec": {page.block(text): None, **spec}}


def _budget(page: Page, document: Document, _: Resource) -> Document:
    text = fill(_BUDGET, VALUES=f"$.Values.{_component(document)}.podDisruptionBudget")
    rest = {key: value for key, value in document["spec"].items() if key != "minAvailable"}
    return {**document, "spec": {page.block(text): None, **rest}}


def _network(page: Page, document: Document, _: Resource) -> Document:
    values = f"$.Values.{_component(document)}.networkPolicy"
    spec = dict(document["spec"])
    for direction, key in (("ingress", "extraIngress"), ("egress", "extraEgress")):
        spec[direction] = [*spec[direction], page.more(f"{values}.{key}")]
    return {**document, "spec": spec}


def _role(page: Page, document: Document, _: Resource) -> Document:
    """The right to watch the Lease is a ClusterRole's, where there is one."""
    if document["metadata"]["name"] != "talkdesk-operator-lease":
        return document
    return {**document, "rules": [*document["rules"], page.block(_LEASE)]}


def _monitor(page: Page, document: Document, _: Resource) -> Document:
    values = "$.Values.monitoring.podMonitor"
    (endpoint,) = document["spec"]["podMetricsEndpoints"]
    timing = {key: page.value(f"{values}.{key}") for key in ("interval", "scrapeTimeout")}
    whole = {**endpoint, **timing, page.block(_SCRAPED_BY_TLS): None}
    return {**document, "spec": {**document["spec"], "podMetricsEndpoints": [whole]}}


def _component(document: Document) -> str:
    return str(document["metadata"]["name"]).removeprefix("talkdesk-")


PLACES: Final[dict[str, Callable[[Page, Document, Resource], Document]]] = {
    "Deployment": _deployment,
    "Service": _service,
    "PodDisruptionBudget": _budget,
    "NetworkPolicy": _network,
    "PodMonitor": _monitor,
    "Role": _role,
}
"""What puts places into an object, by its kind."""
