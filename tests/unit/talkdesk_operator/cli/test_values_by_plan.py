"""The how-to's example of values by plan comes to what it says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.objects import app
from talkdesk_operator.reconcilers.apps import compile_app
from talkdesk_operator.templates.render import render

PAGE = Path(__file__).parents[4] / "docs/how-to/own-app.md"


def example() -> dict[str, Any]:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("### Values by plan")
    _, _, block = rest.partition("```yaml\n")
    tenant: dict[str, Any] = yaml.safe_load(block.partition("```")[0])["tenant"]
    return tenant


@pytest.mark.parametrize(
    ("plan", "data"),
    [
        ("Gold", {"replicas": "3", "search": "on"}),
        ("Silver", {"replicas": "1", "search": "off"}),
        (None, {"replicas": "1", "search": "off"}),
    ],
)
def test_what_a_customer_gets_depends_on_the_plan(plan: str | None, data: dict[str, str]) -> None:
    said = example()
    compiled = compile_app(app(tenant={"serviceAccountName": "x", "name": "td", **said}))
    assert compiled.template is not None, compiled.problem
    context = {"subscription": {"name": plan}, "tenant": {"name": "td", "values": said["values"]}}
    (step,) = render(compiled.template, context, app_name="app", tenant_name="td").steps
    assert step.objects[0]["data"] == data
