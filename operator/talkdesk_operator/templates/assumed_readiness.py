"""Which objects of a template count as ready without anybody having said so.

kstatus takes an object of a kind that it does not know for ready as long as no condition says otherwise, so that a
custom resource counts as ready before its controller has even seen it. A step's `readyWhen` says what ready means.

Belongs here: finding such kinds in a template. Does not belong here: whether one object is ready (`readiness`).
"""

from collections.abc import Iterator
from typing import Final

from talkdesk_operator.templates.readiness import RULES
from talkdesk_operator.templates.template import CompiledTemplate

__all__ = ["assumed_ready"]

_BUILT_IN: Final = frozenset(
    {"", "apps", "autoscaling", "batch", "policy"}
    | {
        f"{name}.k8s.io"
        for name in (
            "admissionregistration",
            "apiextensions",
            "apiregistration",
            "certificates",
            "coordination",
            "discovery",
            "events",
            "flowcontrol.apiserver",
            "networking",
            "node",
            "rbac.authorization",
            "resource",
            "scheduling",
            "storage",
        )
    }
)
"""Kubernetes' own groups: kstatus has a rule for each of their kinds that takes time to become ready."""


def assumed_ready(template: CompiledTemplate) -> tuple[str, ...]:
    """Return `step: kind.group` for each custom kind in a step without `readyWhen`, each once, in their order."""
    return tuple(dict.fromkeys(_assumed(template)))


def _assumed(template: CompiledTemplate) -> Iterator[str]:
    for step in template.steps:
        for manifest in step.manifests:
            known = manifest.group in _BUILT_IN or (manifest.group, manifest.kind) in RULES
            if step.ready_when is None and not known:
                yield f"{step.name}: {manifest.kind}.{manifest.group}"
