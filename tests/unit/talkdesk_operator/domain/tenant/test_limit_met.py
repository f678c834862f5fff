"""A template that meets a limit with a typical customer's facts would do so with each customer: the app says it."""

import pytest

from builders.objects import app
from talkdesk_operator.domain.tenant.typical_customer import limit_met
from talkdesk_operator.templates.template import CompiledTemplate, StepSource

ENDLESS = "'abcdefghijklmnopqrstuvwxyz'.split('').exists(x, account.name.matches('((a{1,50}){1,50}){1,50}b'))"


@pytest.mark.case(70)
@pytest.mark.parametrize(
    ("value", "met"),
    [
        ("${sso.issuer + tenant.values.size + app.region}", False),
        ("${account.name.matches('a+')}", False),
        ("${tenant.values.none}", False),
        (f"${{{ENDLESS}}}", True),
    ],
    ids=["short", "long, in time", "a mistake of another kind", "without end"],
)
def test_only_a_limit_is_said_to_be_one(value: str, *, met: bool) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": value}}
    template = CompiledTemplate.compile("td-${account.id}", [StepSource("base", [manifest])], "1")
    steps = [{"name": "base", "manifests": [manifest]}]
    resource = app(tenant={"values": {"size": "1"}, "serviceAccountName": "provisioner", "steps": steps})
    assert ("time" in limit_met(template, resource)) is met
