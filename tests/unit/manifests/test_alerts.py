"""Alerts speak of metrics that there are."""

import re

from prometheus_client import CollectorRegistry

from builders.manifest_files import MANIFESTS, of_kind
from talkdesk_operator.observability.metrics import Metrics as OperatorMetrics
from talkdesk_webhook.metrics import Metrics as WebhookMetrics


def test_alerts_speak_of_metrics_that_there_are() -> None:
    operator, webhook = CollectorRegistry(), CollectorRegistry()
    OperatorMetrics(operator)
    WebhookMetrics(webhook)
    known = {family.name for registry in (operator, webhook) for family in registry.collect()}
    (rule,) = of_kind(MANIFESTS / "monitoring" / "alerts.yaml", "PrometheusRule")
    alerts = [alert for group in rule["spec"]["groups"] for alert in group["rules"]]
    named = {name for alert in alerts for name in re.findall(r"talkdesk_\w+", alert["expr"])}
    assert len(alerts) == len({alert["alert"] for alert in alerts})
    assert {name.removesuffix("_total") for name in named} <= known
    assert all(alert["labels"]["severity"] in {"critical", "warning"} for alert in alerts)
