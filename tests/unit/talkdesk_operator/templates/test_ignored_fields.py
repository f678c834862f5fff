"""Fields that a manifest leaves to others: how they are named, and which can't be left."""

from typing import Any

import pytest

from talkdesk_crds.names import ANNOTATION_IGNORE_FIELDS, ANNOTATION_ON_REMOVE, ANNOTATION_OWNER, LABEL_MANAGED_BY
from talkdesk_operator.templates.errors import RenderError, TemplateError
from talkdesk_operator.templates.ignored_fields import ignored_fields
from talkdesk_operator.templates.render import render
from talkdesk_operator.templates.template import CompiledTemplate, StepSource


def web(ignored: str | None, **metadata: Any) -> dict[str, Any]:
    annotations = {} if ignored is None else {ANNOTATION_IGNORE_FIELDS: ignored}
    pod = {"serviceAccountName": "web", "containers": [{"name": "web", "image": "web"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": annotations, **metadata},
        "spec": {"replicas": 2, "template": {"spec": pod}},
    }


def compiled(manifest: dict[str, Any]) -> CompiledTemplate:
    return CompiledTemplate.compile("t", [StepSource("base", [manifest])], "1")


def problems(ignored: str) -> list[str]:
    with pytest.raises(TemplateError) as error:
        compiled(web(ignored))
    return [problem.message for problem in error.value.problems]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (None, ()),
        ("/spec/replicas", (("spec", "replicas"),)),
        (" /spec/replicas ,\n /data/a~1b~0c, ", (("spec", "replicas"), ("data", "a/b~c"))),
        ("/spec/replicas, /spec/replicas", (("spec", "replicas"),)),
        ("/spec/serviceAccount", (("spec", "serviceAccountName"), ("spec", "serviceAccount"))),
        ("replicas", ()),
    ],
)
def test_fields_are_named_by_json_pointers_with_commas_between_them(text: str | None, fields: Any) -> None:
    assert ignored_fields(web(text)) == fields


def test_an_object_without_metadata_leaves_nothing_to_others() -> None:
    assert ignored_fields({}) == ()


@pytest.mark.parametrize(
    ("ignored", "words"),
    [
        ("", "must name fields by JSON Pointers such as /spec/replicas"),
        (" , ", "must name fields"),
        ("spec.replicas", "'spec.replicas' is not a JSON Pointer such as /spec/replicas"),
        ("/", "'/' has an empty name"),
        ("/spec//x", "has an empty name"),
        ("/apiVersion", "apiVersion is not the template's to give away"),
        ("/kind", "kind is not the template's"),
        ("/status/x", "status is not the template's"),
        ("/metadata", "of metadata only single labels and annotations can"),
        ("/metadata/name", "of metadata only single labels and annotations can"),
        ("/metadata/name/x", "of metadata only single labels and annotations can"),
        ("/metadata/labels", "of metadata only single labels and annotations can"),
        ("/metadata/labels/a/b", "of metadata only single labels and annotations can"),
        (f"/metadata/annotations/{ANNOTATION_OWNER.replace('/', '~1')}", "it says whose the object is"),
        (f"/metadata/annotations/{ANNOTATION_IGNORE_FIELDS.replace('/', '~1')}", "it says whose the object is"),
        (f"/metadata/labels/{LABEL_MANAGED_BY.replace('/', '~1')}", "it says whose the object is"),
        ("/stringData/key", "is applied as data: write /data/ and the key"),
        ("/spec/template/spec/containers/0/image", "leads into a list, whose entries have no place of their own"),
        (",".join(f"/spec/x{number}" for number in range(21)), "names 21 fields, of which 20 are allowed"),
    ],
)
def test_what_can_not_be_left_to_others_is_said_before_any_customer_gets_it(ignored: str, words: str) -> None:
    (message,) = problems(ignored)
    assert message.startswith(f'steps[base].manifests[0].metadata.annotations["{ANNOTATION_IGNORE_FIELDS}"]: ')
    assert words in message


@pytest.mark.parametrize(
    "ignored",
    [
        "/spec/replicas",
        "/spec/template/spec/containers",
        "/metadata/labels/team, /metadata/annotations/example.com~1note",
        "/spec/${tenant.values.field}",
    ],
)
def test_what_can_be_left_to_others_is_taken(ignored: str) -> None:
    compiled(web(ignored))


def test_a_value_that_is_known_only_for_a_customer_is_judged_when_it_is() -> None:
    template = compiled(web("/${tenant.values.field}"))
    facts = {"tenant": {"name": "t", "values": {"field": "kind"}}}
    with pytest.raises(RenderError, match="kind is not the template's"):
        render(template, facts, app_name="app", tenant_name="t")
    facts["tenant"]["values"] = {"field": "spec/replicas"}
    (step,) = render(template, facts, app_name="app", tenant_name="t").steps
    assert ignored_fields(step.objects[0]) == (("spec", "replicas"),)


@pytest.mark.parametrize(
    ("manifest", "idle"),
    [
        (web("/spec/replicas, /spec/template/spec/serviceAccountName"), ()),
        (web("/spec/replica"), ("/spec/replica",)),
        (web("/data"), ("/data",)),
        (web("/spec/x/y") | {"spec": {"x": "${tenant.values.x}"}}, ()),
        (web(None, annotations="${tenant.values.annotations}"), ()),
        (web(None, annotations={ANNOTATION_ON_REMOVE: "Delete"}), ()),
    ],
)
def test_a_field_that_the_manifest_does_not_set_is_a_warning(manifest: dict[str, Any], idle: tuple[str, ...]) -> None:
    said = tuple(
        f"steps[base].manifests[0]: {pointer} is left to others, and nothing in the manifest sets it"
        for pointer in idle
    )
    assert compiled(manifest).warnings == said
