"""What is said of the language of templates is so."""

import json

import pytest
import yaml

from builders.operator_in_memory import sentiment
from talkdesk_crds.app import TalkdeskApp
from talkdesk_operator.cli.explain import ANNOTATIONS, EXAMPLES, FUNCTIONS, READINESS, READY_WHEN, VARIABLES
from talkdesk_operator.cli.offline import customer_of, usable
from talkdesk_operator.cli.samples import SAMPLES, sample_credentials
from talkdesk_operator.domain.reconcile.scope import Role, Scope
from talkdesk_operator.reconcilers.template_variables import template_variables
from talkdesk_operator.templates import functions
from talkdesk_operator.templates.cel import compile_expression
from talkdesk_operator.templates.manifest_metadata import metadata_problems
from talkdesk_operator.templates.readiness import NotReady, Ready, readiness
from talkdesk_operator.templates.variables import MEMBERS

TYPES = {"string": str, "int": int, "bool": bool, "list": list, "map": dict}


def variables(sample: str) -> dict[str, object]:
    """Return what a template knows of a sample, by member."""
    app = sentiment()
    app["spec"]["tenant"]["values"] = {"memory": "4Gi"}
    compiled = usable(TalkdeskApp.model_validate(app))
    customer = customer_of(compiled, sample, None)
    assert customer.spec.request is not None
    scope = Scope(
        now=customer.spec.request.event_time,
        app=compiled,
        installation=customer,
        role=Role.OWNER,
        tenant=None,
        credentials=sample_credentials(),
    )
    return {
        f"{name}.{member}": value
        for name, members in template_variables(scope, compiled).items()
        for member, value in members.items()
    }


def test_each_variable_is_explained_and_no_other() -> None:
    there = {f"{name}.{member}" for name, members in MEMBERS.items() for member in members}
    rules_only = {each for each in there if each.startswith("request.")}
    assert set(VARIABLES) == there - rules_only


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_variable_has_the_type_that_is_said(sample: str) -> None:
    for name, value in variables(sample).items():
        said = VARIABLES[name].type
        fits = (value is None and said.endswith("?")) or isinstance(value, TYPES[said.rstrip("?")])
        assert fits, (name, said, type(value))


def test_what_may_be_null_is_so_for_some_sample() -> None:
    """And what is said never to be null is tried with a customer of whom nothing is known."""
    seen = [variables(sample) for sample in SAMPLES]
    for name, each in VARIABLES.items():
        nulls = [known for known in seen if known[name] is None]
        always_here = name in {"app.region", "installation.appVersion"} or name.startswith("sso.")
        assert bool(nulls) == each.type.endswith("?") or always_here, name


def test_each_function_is_explained_and_no_other() -> None:
    assert set(FUNCTIONS) == set(functions.FUNCTIONS) | functions.NATIVE_FUNCTIONS


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_functions_example_comes_to_what_is_said(name: str) -> None:
    each = FUNCTIONS[name]
    assert name.rpartition(".")[2] in each.example
    assert json.dumps(compile_expression(each.example).evaluate({})) == each.result


@pytest.mark.parametrize("example", EXAMPLES.values())
def test_each_example_can_be_rendered(example: str) -> None:
    expression = compile_expression(example.removeprefix("${").removesuffix("}"))
    facts: dict[str, dict[str, object]] = {}
    for name, value in variables("paid").items():
        variable, _, member = name.partition(".")
        facts.setdefault(variable, {})[member] = value
    known = {**facts, "item": "calls"}
    assert expression.evaluate(known) is not None


@pytest.mark.parametrize(
    "kind",
    [
        "Deployment.apps",
        "StatefulSet.apps",
        "DaemonSet.apps",
        "ReplicaSet.apps",
        "Job.batch",
        "CronJob.batch",
        "Pod",
        "PersistentVolumeClaim",
        "Service",
        "Ingress.networking.k8s.io",
        "Namespace",
        "CustomResourceDefinition.apiextensions.k8s.io",
        "APIService.apiregistration.k8s.io",
        "PodDisruptionBudget.policy",
        "Application.argoproj.io",
    ],
)
def test_when_an_object_is_ready_is_said_for_each_kind_that_people_ask_about(kind: str) -> None:
    assert READINESS[kind]


@pytest.mark.parametrize("text", READY_WHEN.values())
def test_each_example_of_ready_when_tells_ready_from_not_ready(text: str) -> None:
    said = compile_expression(text)
    address = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    status = {"phase": "Running", "conditions": [{"type": "Synced", "status": "True"}], **address}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"}}
    assert readiness({**ingress, "status": status}, said) == Ready()
    assert isinstance(readiness({**ingress, "status": {"loadBalancer": {}}}, said), NotReady)


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_each_annotation_is_taken_as_it_is_written(annotation: str) -> None:
    metadata = {"name": "x", "annotations": yaml.safe_load(annotation)}
    assert list(metadata_problems({"metadata": metadata}, "metadata")) == []
