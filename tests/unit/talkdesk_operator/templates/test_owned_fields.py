"""What is applied in the place of fields that server-side apply would leave behind."""

import base64
import copy
from typing import Any

import pytest

from talkdesk_operator.templates import CompiledTemplate, RenderError, StepSource, render
from talkdesk_operator.templates.owned_fields import own_fields


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


def owned(manifest: dict[str, Any]) -> dict[str, Any]:
    rendered = copy.deepcopy(manifest)
    own_fields(rendered, "m")
    return {key: value for key, value in rendered.items() if key not in {"apiVersion", "kind", "metadata"}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stringData": {"a": "x"}}, {"data": {"a": "eA=="}}),
        ({"stringData": {"a": "ü\n\x00🙂"}}, {"data": {"a": encoded("ü\n\x00🙂")}}),
        ({"stringData": {"a": ""}}, {"data": {"a": ""}}),
        ({"stringData": {"a": None}}, {"data": {"a": ""}}),
        ({"stringData": {"a": "x"}, "data": {"b": "eQ=="}}, {"data": {"b": "eQ==", "a": "eA=="}}),
        ({"stringData": {"a": "x"}, "data": {"a": "eQ=="}}, {"data": {"a": "eA=="}}),
        ({"stringData": {"a": "x"}, "data": None}, {"data": {"a": "eA=="}}),
        (
            {"stringData": {"a": "x"}, "type": "Opaque", "immutable": True},
            {"type": "Opaque", "immutable": True, "data": {"a": "eA=="}},
        ),
        ({"stringData": {}}, {}),
        ({"stringData": None, "data": {"b": "eQ=="}}, {"data": {"b": "eQ=="}}),
        ({"data": {"b": "no base64", "c": 5}}, {"data": {"b": "no base64", "c": 5}}),
    ],
)
def test_the_texts_of_a_secret_are_applied_as_its_data(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert owned(secret(**fields)) == expected


@pytest.mark.parametrize("value", [8080, 1.5, True, ["x"], {"x": "y"}, "half \ud83d"])
def test_what_is_no_text_is_refused_at_its_path_without_its_value(value: Any) -> None:
    with pytest.raises(RenderError) as caught:
        owned(secret(stringData={"port": value}))
    assert caught.value.path == "m.stringData.port"
    assert "8080" not in caught.value.reason


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"stringData": "text"}, "m.stringData"),
        ({"stringData": ["a"]}, "m.stringData"),
        ({"stringData": {"a": "x"}, "data": "y"}, "m.data"),
    ],
)
def test_data_that_is_no_map_is_refused(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(RenderError) as caught:
        owned(secret(**fields))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "other",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "stringData": {"a": "x"}},
        {"apiVersion": "example.com/v1", "kind": "Secret", "stringData": {"a": "x"}},
    ],
)
def test_other_kinds_keep_a_field_of_that_name(other: dict[str, Any]) -> None:
    assert owned(other) == {"stringData": {"a": "x"}}


def test_a_number_from_an_expression_is_refused_with_words_on_how_to_write_it() -> None:
    manifest = secret(stringData={"port": "${tenant.values.port}", "text": "${string(tenant.values.port)}"})
    context = {"tenant": {"values": {"port": 8080}}}
    compiled = CompiledTemplate.compile("t", [StepSource("base", [manifest])], "r1")
    with pytest.raises(RenderError) as caught:
        render(compiled, context, app_name="a", tenant_name="t")
    assert caught.value.path == "steps[base].manifests[0].stringData.port"
    assert "string(" in caught.value.reason
    del manifest["stringData"]["port"]
    compiled = CompiledTemplate.compile("t", [StepSource("base", [manifest])], "r1")
    rendered = render(compiled, context, app_name="a", tenant_name="t")
    assert rendered.steps[0].objects[0]["data"] == {"text": encoded("8080")}


POD_SPECS = {
    "v1 Pod": ("spec",),
    "v1 PodTemplate": ("template", "spec"),
    "v1 ReplicationController": ("spec", "template", "spec"),
    "apps/v1 Deployment": ("spec", "template", "spec"),
    "apps/v1 ReplicaSet": ("spec", "template", "spec"),
    "apps/v1 StatefulSet": ("spec", "template", "spec"),
    "apps/v1 DaemonSet": ("spec", "template", "spec"),
    "batch/v1 Job": ("spec", "template", "spec"),
    "batch/v1 CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}


def workload(kind: str, pod: Any) -> dict[str, Any]:
    for key in reversed(POD_SPECS.get(kind, ("spec",))):
        pod = {key: pod}
    version, name = kind.split()
    return {"apiVersion": version, "kind": name, **pod}


@pytest.mark.parametrize("given", ["serviceAccountName", "serviceAccount"])
@pytest.mark.parametrize("kind", POD_SPECS)
def test_pods_have_their_service_account_under_both_of_its_names(kind: str, given: str) -> None:
    both = {"serviceAccountName": "x", "serviceAccount": "x"}
    assert owned(workload(kind, {given: "x"})) == owned(workload(kind, both))


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"serviceAccountName": None},
        {"serviceAccountName": "x", "serviceAccount": "y"},
        None,
        "text",
        {"containers": []},
    ],
)
def test_pods_without_a_service_account_or_with_two_are_left_as_they_are(pod: Any) -> None:
    manifest = workload("apps/v1 Deployment", pod)
    assert owned(manifest) == {"spec": manifest["spec"]}


@pytest.mark.parametrize(
    "manifest",
    [{"apiVersion": "apps/v1", "kind": "Deployment"}, workload("example.com/v1 Pod", {"serviceAccount": "x"})],
)
def test_what_has_no_pods_is_left_as_it_is(manifest: dict[str, Any]) -> None:
    rendered = copy.deepcopy(manifest)
    own_fields(rendered, "m")
    assert rendered == manifest
