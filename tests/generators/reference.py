"""docs/reference: what the programs show of themselves, read from the code that shows it.

Conditions, reasons and phases come with the sentence beside each constant; metrics with their help text; settings with
their flags and variables; log events from the calls that write them. What a log event means is said in
docs/log-events.toml, which must name exactly those that there are.
"""

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from generators.commands import commands_page
from generators.documented import documented
from generators.kinds import ALL_KINDS, kind_page
from generators.language import language_page
from generators.markdown import page, table
from talkdesk_crds import conditions, installation
from talkdesk_crds.condition_rules import RULES
from talkdesk_operator.observability import metrics as operator_metrics
from talkdesk_operator.settings import Settings as OperatorSettings
from talkdesk_runtime.durations import parse_duration
from talkdesk_webhook.metrics import Metrics as WebhookMetrics
from talkdesk_webhook.settings import Settings as WebhookSettings

__all__ = ["LogEvent", "log_events", "reference"]

ROOT = Path(__file__).parents[2]
MEANINGS = ROOT / "docs" / "log-events.toml"
_LEVELS = frozenset({"debug", "info", "warning", "error", "exception"})
_MADE = "<!-- Made by `make docs` from the code: change the code, not this file. -->"

LogEvent = tuple[str, str, str, tuple[str, ...]]
"""Program, name, level and names of the fields of a line in the log."""


def reference() -> dict[str, str]:
    """Return each page of the reference by its name without ending."""
    pages = {
        "conditions": _conditions_page(),
        "events": page(
            "Kubernetes Events",
            "An Event has the reason of the condition that it reports, the new phase, or one of these.",
            table(("reason", "when"), documented(conditions.EventReason)),
        ),
        "metrics": page(
            "Metrics",
            "## Operator",
            table(("metric", "type", "labels", "what"), _metrics(_operator_registry())),
            "## Webhook",
            table(("metric", "type", "labels", "what"), _metrics(_webhook_registry())),
        ),
        "log-events": page(
            "Log events",
            "One JSON object a line; `event` holds the name. All have `level`, `logger` and `timestamp`.",
            table(("event", "program", "level", "fields", "what"), _log_rows()),
        ),
        "settings": page(
            "Settings",
            "Each is a flag and an environment variable; the flag counts. See [durations](../durations.md).",
            "## Operator",
            table(("flag", "variable", "default", "what"), _settings(OperatorSettings)),
            "## Webhook",
            table(("flag", "variable", "default", "what"), _settings(WebhookSettings)),
        ),
        "commands": commands_page(),
        "template-language": language_page(),
    }
    kinds = {info.plural: kind_page(info.plural) for info in ALL_KINDS}
    return {name: f"{_MADE}\n{text}\n" for name, text in {**kinds, **pages}.items()}


def _conditions_page() -> str:
    return page(
        "Conditions, reasons and phases",
        "## Conditions",
        table(("type", "true when", "of", "begins", "ends"), _conditions()),
        "## Reasons",
        table(("reason", "when"), documented(conditions.Reason)),
        "## Phases of an installation",
        "A summary for people: code should read the conditions.",
        table(("phase", "when"), documented(installation.InstallationPhase)),
    )


def _conditions() -> Iterator[tuple[str, ...]]:
    """Yield each condition with the rule for its beginning and its end."""
    for kind, (name, text) in zip(conditions.ConditionType, documented(conditions.ConditionType), strict=True):
        if (rule := RULES.get(kind)) is None:
            raise LookupError(f"say in talkdesk_crds.condition_rules when the condition {kind} begins and ends")
        yield name, text, ", ".join(f"`{each}`" for each in rule.kinds), rule.begins, rule.ends


def _operator_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    operator_metrics.Metrics(registry)
    return registry


def _webhook_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    WebhookMetrics(registry)
    return registry


def _metrics(registry: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    rows = []
    for collector in registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            families: Iterable[Any] = collector.describe()
            labels = collector._labelnames
        else:
            families, labels = collector.collect(), None
        for family in families:
            names = ", ".join(f"`{label}`" for label in (family._labelnames if labels is None else labels))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((f"`{name}`", family.type, names, family.documentation))
    yield from sorted(rows)


def log_events() -> Iterator[LogEvent]:
    """Yield the lines that our programs can log, as their calls stand in the source."""
    for program, folders in (("operator", ("operator", "runtime")), ("webhook", ("webhook", "runtime"))):
        for folder in folders:
            for path in sorted((ROOT / folder).rglob("*.py")):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    match node:
                        case ast.Call(
                            func=ast.Attribute(attr=level, value=value),
                            args=[ast.Constant(value=str(name))],
                            keywords=keywords,
                        ) if level in _LEVELS and "log" in ast.unparse(value).lower():
                            yield program, name, level, tuple(keyword.arg or "…" for keyword in keywords)


def _log_rows() -> Iterator[tuple[str, str, str, str, str]]:
    meanings = tomllib.loads(MEANINGS.read_text(encoding="utf-8"))
    rows: dict[str, tuple[set[str], set[str], set[str]]] = {}
    for program, name, level, fields in log_events():
        programs, levels, names = rows.setdefault(name, (set(), set(), set()))
        programs.add(program)
        levels.add("error" if level == "exception" else level)
        names.update(fields)
    for name, (programs, levels, names) in sorted(rows.items()):
        shown = ", ".join(f"`{field}`" for field in sorted(names - {"exc_info"}))
        yield f"`{name}`", ", ".join(sorted(programs)), ", ".join(sorted(levels)), shown, meanings[name]


def _settings(settings: type[BaseSettings]) -> Iterator[tuple[str, str, str, str]]:
    prefix = settings.model_config["env_prefix"]
    for name, field in settings.model_fields.items():
        flag = f"`--{name.replace('_', '-')}`"
        text = " ".join((field.description or "").split())
        yield flag, f"`{prefix}{name.upper()}`", _default(field.default), text


def _default(value: object) -> str:
    match value:
        case None | ():
            return ""
        case timedelta():
            return f"`{_span(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case StrEnum():
            return f"`{value.value}`"
        case tuple():
            return f"`{','.join(map(str, value))}`"
        case _:
            return f"`{value}`"


def _span(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    text = next(f"{seconds // size}{unit}" for size, unit in _UNITS.items() if seconds % size == 0)
    if parse_duration(text) != value:
        raise ValueError(f"{value} can't be written as a duration")
    return text


_UNITS: Mapping[int, str] = {86400: "d", 3600: "h", 60: "m", 1: "s"}
