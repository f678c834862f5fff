"""Custom kinds without a `readyWhen` are named, because their objects count as ready before anybody has seen them."""

import pytest

from talkdesk_operator.templates.assumed_readiness import assumed_ready
from talkdesk_operator.templates.template import CompiledTemplate, StepSource


def compiled(*kinds: tuple[str, str], ready_when: str | None = None) -> CompiledTemplate:
    manifests = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": f"x{number}"}}
        for number, (version, kind) in enumerate(kinds)
    ]
    return CompiledTemplate.compile("t", [StepSource("engine", manifests, ready_when)], "1")


def test_each_custom_kind_is_named_once_with_its_step() -> None:
    template = compiled(("widgets.example/v1", "Widget"), ("widgets.example/v1", "Widget"), ("x.k8s.io/v1", "Gateway"))
    assert assumed_ready(template) == ("engine: Widget.widgets.example", "engine: Gateway.x.k8s.io")


def test_a_step_that_says_what_ready_means_is_not_named() -> None:
    assert assumed_ready(compiled(("widgets.example/v1", "Widget"), ready_when="has(object.status.url)")) == ()


@pytest.mark.parametrize(
    "kind",
    [
        ("v1", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("networking.k8s.io/v1", "Ingress"),
        ("rbac.authorization.k8s.io/v1", "Role"),
        ("apiregistration.k8s.io/v1", "APIService"),
        ("argoproj.io/v1alpha1", "Application"),
    ],
)
def test_kinds_that_have_rules_are_not_named(kind: tuple[str, str]) -> None:
    assert assumed_ready(compiled(kind)) == ()
