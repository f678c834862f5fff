"""values.schema.json: what the chart's values may be. Anything else is an error before anything is rendered.

Settings come from the programs' own models, so that a misspelled or impossible one is refused by Helm, not by a pod.
What Kubernetes defines itself (affinity, tolerations, probes ...) is left to the API server.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import yaml

from generators.chart_rules import ROOT
from talkdesk_crds.shard_slots import SLOTS
from talkdesk_operator.settings import PREFIX as OPERATOR_PREFIX
from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_runtime.durations import DURATION_PATTERN
from talkdesk_runtime.settings import ProcessSettings
from talkdesk_webhook.settings import PREFIX as WEBHOOK_PREFIX
from talkdesk_webhook.settings import Settings as WebhookSettings

__all__ = ["schema"]

Schema = dict[str, Any]
_NOT_IN_A_POD: Final = {"kubeconfig", "lease_namespace", "leader_election"}
_BY_A_VALUE: Final = {"namespaces", "shards"}
"""Values of the chart set these, because objects depend on them."""
_BY_TLS: Final = {"tls_cert_file", "tls_key_file"}
"""`webhook.tls` sets these."""
_BOOLEAN: Final[Schema] = {"type": "boolean"}
_TEXT: Final[Schema] = {"type": "string"}
_NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}
_OBJECT_NAME: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"}
_HOST: Final[Schema] = {"type": "string", "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"}
_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
_LABELS: Final[Schema] = {
    **_TEXTS,
    "patternProperties": {r"^(app\.kubernetes\.io|helm\.sh)/": False},
    "description": "Those under app.kubernetes.io and helm.sh are the chart's own.",
}
_ANY_MAP: Final[Schema] = {"type": "object"}
_ANY_LIST: Final[Schema] = {"type": "array", "items": {"type": "object"}}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_SHARDS: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": SLOTS}
_SHARE: Final[Schema] = {"anyOf": [_COUNT, {"type": "string", "pattern": "^[0-9]{1,3}%$"}, {"type": "null"}]}
_SECRET: Final[Schema] = {"anyOf": [{"const": ""}, _OBJECT_NAME]}


def _closed(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    made: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties), **more}
    return made | ({"required": list(required)} if required else {})


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_PULL_POLICY: Final[Schema] = {"enum": ["", "Always", "IfNotPresent", "Never"]}
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
_TAG: Final[Schema] = {"type": "string", "pattern": r"^([A-Za-z0-9_][-A-Za-z0-9._]{0,127})?$"}
_IMAGE: Final = _closed(
    {
        "registry": _TEXT,
        "repository": {"type": "string", "pattern": "^[a-z0-9]+([._/-]+[a-z0-9]+)*$"},
        "tag": _TAG,
        "digest": _DIGEST,
        "pullPolicy": _PULL_POLICY,
    }
)
_TLS: Final = _closed({"secretName": _SECRET})
_SERVICE: Final = _closed(
    {
        "type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
        "annotations": _TEXTS,
        "externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
        "loadBalancerClass": _TEXT,
        "loadBalancerSourceRanges": _list(_TEXT),
    }
)
_INGRESS: Final = _closed(
    {
        "enabled": _BOOLEAN,
        "className": _TEXT,
        "annotations": _TEXTS,
        "hosts": _list(_HOST),
        "tls": _list(_closed({"secretName": _SECRET, "hosts": _list(_HOST)}, "secretName")),
    },
    allOf=[
        {
            "if": {"properties": {"enabled": {"const": True}}, "required": ["enabled"]},
            "then": {"properties": {"hosts": {"minItems": 1}}},
        }
    ],
)
_HTTP_ROUTE: Final = _closed(
    {"enabled": _BOOLEAN, "annotations": _TEXTS, "parentRefs": _ANY_LIST, "hostnames": _list(_HOST)},
    allOf=[
        {
            "if": {"properties": {"enabled": {"const": True}}, "required": ["enabled"]},
            "then": {"properties": {"parentRefs": {"minItems": 1}}},
        }
    ],
)
_ACCESS: Final = _closed(
    {
        "namespace": _NAME,
        "serviceAccount": _OBJECT_NAME,
        "logoutSecrets": _list(_OBJECT_NAME),
        "records": _BOOLEAN,
        "provisioner": _closed(
            {"clusterRole": _TEXT, "namePrefix": {"type": "string", "pattern": "^[a-z0-9][-a-z0-9]{0,40}$"}},
            "namePrefix",
        ),
    },
    "namespace",
)
_MONITORING: Final = _closed(
    {
        "podMonitor": _closed({"enabled": _BOOLEAN, "labels": _LABELS, "interval": _TEXT, "scrapeTimeout": _TEXT}),
        "prometheusRule": _closed({"enabled": _BOOLEAN, "labels": _LABELS}),
    }
)
_METRICS: Final = _closed(
    {
        "auth": _closed(
            {"enabled": _BOOLEAN, "tlsSecret": _OBJECT_NAME, "tokenSecret": _OBJECT_NAME, "serverName": _HOST}
        )
    }
)


def schema() -> str:
    """Return the text of values.schema.json."""
    properties: dict[str, Schema] = {
        "global": _ANY_MAP,  # Helm hands it to every chart below another one
        "image": _closed({"registry": _TEXT, "tag": _TAG, "pullPolicy": _PULL_POLICY}),
        "imagePullSecrets": _list(_closed({"name": _OBJECT_NAME}, "name")),
        "commonLabels": _LABELS,
        "commonAnnotations": _TEXTS,
        "priorityClassName": _TEXT,
        "crds": _closed({"enabled": _BOOLEAN}),
        "clusterResources": _closed({"enabled": _BOOLEAN}),
        "namespaces": {**_list(_NAME), "uniqueItems": True},
        "appAccess": _list(_ACCESS),
        "networkPolicy": _closed({"enabled": _BOOLEAN}),
        "monitoring": _MONITORING,
        "metrics": _METRICS,
        "operator": _component("operator", OperatorSettings, OPERATOR_PREFIX, {"shards": _SHARDS}),
        "webhook": _component(
            "webhook",
            WebhookSettings,
            WEBHOOK_PREFIX,
            {
                "tls": _closed({"secretName": _SECRET}),
                "service": _SERVICE,
                "ingress": _INGRESS,
                "httpRoute": _HTTP_ROUTE,
            },
        ),
    }
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values", **_closed(properties)}
    return json.dumps(whole, indent=2) + "\n"


def _component(name: str, settings: type[ProcessSettings], prefix: str, more: Mapping[str, Schema]) -> Schema:
    return _closed(
        {
            "replicas": _COUNT,
            "image": _IMAGE,
            "settings": _settings(name, settings, prefix),
            "extraEnv": _ANY_LIST,
            "resources": _ANY_MAP,
            "podLabels": _LABELS,
            "podAnnotations": _TEXTS,
            "serviceAccount": _closed({"annotations": _TEXTS}),
            "priorityClassName": _TEXT,
            "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
            "nodeSelector": _TEXTS,
            "tolerations": _ANY_LIST,
            "affinity": _ANY_MAP,
            "topologySpreadConstraints": _ANY_LIST,
            "podSecurityContext": _ANY_MAP,
            "securityContext": _ANY_MAP,
            "extraVolumes": _ANY_LIST,
            "extraVolumeMounts": _ANY_LIST,
            "podDisruptionBudget": _closed({"enabled": _BOOLEAN, "minAvailable": _SHARE, "maxUnavailable": _SHARE}),
            "networkPolicy": _closed({"extraIngress": _ANY_LIST, "extraEgress": _ANY_LIST}),
            **more,
        }
    )


def _settings(name: str, settings: type[ProcessSettings], prefix: str) -> Schema:
    """Return the settings that the base does not fix itself, by their names as Helm's values have them."""
    whole = settings.model_json_schema(mode="serialization")
    fixed = _set_by_the_base(name, prefix) | _NOT_IN_A_POD | _BY_A_VALUE | _BY_TLS
    return _closed(
        {
            _camel(field): _setting(property_, whole.get("$defs", {}))
            for field, property_ in whole["properties"].items()
            if field not in fixed
        }
    )


def _setting(property_: Schema, definitions: Mapping[str, Schema]) -> Schema:
    about = next(each for each in property_.get("anyOf", [property_]) if each.get("type") != "null")
    if "$ref" in about:
        about = definitions[about["$ref"].rpartition("/")[2]]
    kept = {key: about[key] for key in ("type", "enum", "minimum", "maximum", "minLength", "maxLength") if key in about}
    if about.get("format") == "duration":
        kept |= {"pattern": DURATION_PATTERN, "minLength": 2}
    if kept["type"] == "array":  # the template joins it by commas
        kept = {"type": "array", "items": {"type": "string", "pattern": "^[^,]+$"}}
    return kept | {"description": " ".join(property_.get("description", "").split())}


def _set_by_the_base(name: str, prefix: str) -> set[str]:
    path = ROOT / "manifests" / "base" / name / "deployment.yaml"
    (container,) = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["template"]["spec"]["containers"]
    return {each["name"].removeprefix(prefix).lower() for each in container["env"]}


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)
