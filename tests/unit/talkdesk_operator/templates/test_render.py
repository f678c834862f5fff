import base64
import copy
import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkdesk_crds.names import GROUP
from talkdesk_operator.templates import (
    CompiledTemplate,
    RenderedTenant,
    RenderError,
    StepSource,
    TemplateError,
    render,
    render_name,
)


def context(**overrides: Any) -> dict[str, Any]:
    return {
        "app": {"id": "f9", "name": "sentiment", "namespace": "apps", "region": "US"},
        "account": {"id": "5f1", "name": "acme", "companyName": "Acme", "timezone": "UTC"},
        "installation": {"id": "i1", "name": "sentiment-i1", "appVersion": "1.2"},
        "subscription": {"type": "PAID", "name": "gold", "licenses": [{"seats": 3}]},
        "trial": {},
        "tenant": {
            "state": "Active",
            "suspended": False,
            "values": {"replicas": 2, "name": "x", "labels": {"tier": "gold"}},
        },
        "credentials": {"clientId": "id", "clientSecret": "hush"},
    } | overrides


def manifest(kind: str = "ConfigMap", metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    version = "apps/v1" if kind == "Deployment" else "v1"
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "facts", "namespace": "ns"} | (metadata or {}),
    } | fields


def template(*manifests: dict[str, Any], name: str = "td-${dnsLabel(account.id)}", **step: Any) -> CompiledTemplate:
    return CompiledTemplate.compile(name, [StepSource("base", manifests, **step)], "r1")


def rendered(*manifests: dict[str, Any], facts: dict[str, Any] | None = None, **overrides: Any) -> RenderedTenant:
    compiled = template(*manifests, **overrides)
    return render(compiled, context() if facts is None else facts, app_name="sentiment", tenant_name="sentiment-5f1")


def only_object(*manifests: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    ((obj,),) = (step.objects for step in rendered(*manifests, **overrides).steps)
    return obj


def error(*manifests: dict[str, Any], **overrides: Any) -> str:
    with pytest.raises(RenderError) as caught:
        rendered(*manifests, **overrides)
    assert str(caught.value) == f"{caught.value.path}: {caught.value.reason}"
    return str(caught.value)


def test_an_object_is_rendered_and_labeled() -> None:
    obj = only_object(
        manifest(
            "Deployment",
            {
                "name": "${tenant.name}",
                "labels": {"a": "b", "app.kubernetes.io/managed-by": "them"},
                "annotations": {"c": "d"},
            },
            spec={"replicas": "${tenant.suspended ? 0 : tenant.values.replicas}"},
        )
    )

    assert obj == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "td-5f1",
            "namespace": "ns",
            "labels": {
                "a": "b",
                "app.kubernetes.io/managed-by": "talkdesk-operator",
                f"{GROUP}/app": "sentiment",
                f"{GROUP}/tenant": "sentiment-5f1",
            },
            "annotations": {"c": "d", f"{GROUP}/step": "base"},
        },
        "spec": {"replicas": 2},
    }


def test_a_secret_gets_the_credentials_and_hides_them_from_the_repr() -> None:
    tenant = rendered(
        manifest("Secret", stringData={"id": "${credentials.clientId}", "s": "${credentials.clientSecret}"})
    )

    assert tenant.steps[0].objects[0]["data"] == {"id": "aWQ=", "s": "aHVzaA=="}
    assert "stringData" not in tenant.steps[0].objects[0]
    assert "hush" not in repr(tenant)


def test_labels_may_come_from_one_expression() -> None:
    obj = only_object(manifest(metadata={"labels": "${tenant.values.labels}"}))

    assert obj["metadata"]["labels"]["tier"] == "gold"


def test_a_rendered_step_keeps_its_settings() -> None:
    (step,) = rendered(manifest(), ready_when="object.x", on_offboard="Delete", adopt=True).steps

    assert step.ready_when is not None
    assert (step.name, step.ready_when.source, step.on_offboard, step.adopt) == ("base", "object.x", "Delete", True)


ON_REMOVE = f"{GROUP}/on-remove"


@pytest.mark.case(68)
@pytest.mark.parametrize("word", ["Retain", "Delete", "${tenant.suspended ? 'Retain' : 'Delete'}"])
def test_an_object_may_say_itself_what_becomes_of_it_when_it_leaves_the_template(word: str) -> None:
    annotations = only_object(manifest(metadata={"annotations": {ON_REMOVE: word}}))["metadata"]["annotations"]
    assert annotations[ON_REMOVE] in {"Retain", "Delete"}


@pytest.mark.case(68)
@pytest.mark.parametrize("annotations", [{ON_REMOVE: "${'delete'}"}, "${{'" + ON_REMOVE + "': 'Keep'}}"])
def test_a_word_on_leaving_that_there_is_not_is_refused(annotations: Any) -> None:
    message = error(manifest(metadata={"annotations": annotations}))
    assert message == f'steps[base].manifests[0].metadata.annotations["{ON_REMOVE}"]: must be Delete or Retain'


@pytest.mark.case(68)
@pytest.mark.parametrize("word", ["delete", "", True, None])
def test_a_word_on_leaving_that_is_wrong_for_every_account_is_refused_at_the_app(word: Any) -> None:
    with pytest.raises(TemplateError) as caught:
        template(manifest(metadata={"annotations": {ON_REMOVE: word}}))
    assert [problem.reason for problem in caught.value.problems] == ["must be Delete or Retain"]


def test_the_name_of_a_tenant_never_changes() -> None:
    fixed = context(tenant={"name": "td-old"})

    assert rendered(manifest(metadata={"namespace": "${tenant.name}"}), facts=fixed).name == "td-old"
    assert rendered(manifest()).name == "td-5f1"


@pytest.mark.case(54)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": {"x": "${tenant.values.seats}"}}, "data.x: no such key: tenant.values.seats"),
        ({"data": {"x": "a-${trial.expirationTime}"}}, "data.x: no such key: trial.expirationTime"),
        ({"spec": {"l": [{"a.b": "${tenant.values.size}"}]}}, 'spec.l[0]["a.b"]: no such key: tenant.values.size'),
        ({"data": {"x": "${tenant.values.name.first}"}}, "data.x: tenant.values.name is a string and has no key first"),
    ],
)
def test_a_missing_key_fails_one_account_and_is_named_with_its_leaf(fields: dict[str, Any], message: str) -> None:
    compiled = template(manifest("Namespace"), manifest(**fields))
    with pytest.raises(RenderError) as caught:
        render(compiled, context(), app_name="a", tenant_name="t")
    assert str(caught.value) == f"steps[base].manifests[1].{message}"

    luckier = context(
        trial={"expirationTime": "2026-01-01T00:00:00Z"},
        tenant={"values": {"size": "L", "seats": 5, "name": {"first": "x"}}},
    )
    assert render(compiled, luckier, app_name="a", tenant_name="t").name == "td-5f1"


def test_a_misspelled_value_is_said_with_the_nearest_that_there_is() -> None:
    compiled = template(manifest("Namespace"), manifest(data={"x": "${tenant.values.label}"}))
    with pytest.raises(RenderError, match=r"no such key: tenant\.values\.label, did you mean labels\?"):
        render(compiled, context(), app_name="a", tenant_name="t")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"name": "${trial}"}, "metadata.name: is not a valid name of an object"),
        ({"name": "${'a/b'}"}, "metadata.name: is not a valid name of an object"),
        ({"name": "${'..'}"}, "metadata.name: is not a valid name of an object"),
        ({"name": "${''}"}, "metadata.name: is not a valid name of an object"),
        ({"namespace": "${account.companyName}"}, "metadata.namespace: is not a valid name of a namespace"),
        ({"namespace": "${app}"}, "metadata.namespace: is not a valid name of a namespace"),
        ({"labels": "${app.id}"}, "metadata.labels: must be a map of strings"),
        ({"annotations": {"n": "${tenant.values.replicas}"}}, "metadata.annotations: must be a map of strings"),
    ],
)
def test_invalid_rendered_metadata_is_named(metadata: dict[str, Any], message: str) -> None:
    assert error(manifest(metadata=metadata)) == f"steps[base].manifests[0].{message}"


def test_two_manifests_cannot_make_one_object() -> None:
    twins = (manifest(), manifest(metadata={"name": "fac${'ts'}"}))

    assert error(*twins) == "steps[base].manifests[1].metadata.name: is the same object as steps[base].manifests[0]"


@pytest.mark.parametrize(
    ("name", "account_id", "shown"),
    [("${account.id}", "Acme_1", "'Acme_1'"), ("${account.id}", "x" * 64, f"'{'x' * 64}'"), ("${account}", "x", "{")],
)
def test_a_name_that_is_not_a_dns_label_is_in_the_message(name: str, account_id: str, shown: str) -> None:
    message = error(manifest(), name=name, facts=context(account={"id": account_id}))

    assert message.startswith(f"name: {shown}")
    assert "use dnsLabel()" in message


@pytest.mark.case(57)
@given(st.text())
def test_any_account_id_gives_a_valid_name_and_any_account_name_stays_a_value(text: str) -> None:
    facts = context(account={"id": text, "name": text})

    tenant = rendered(manifest(data={"name": "${account.name}"}), name="${dnsLabel('td-' + account.id)}", facts=facts)

    assert tenant.steps[0].objects[0]["data"] == {"name": text}
    assert len(tenant.name) <= 63


@given(st.dictionaries(st.text(), st.text() | st.integers(0, 9) | st.lists(st.text(), max_size=2), max_size=4))
def test_rendering_neither_changes_nor_shares_its_inputs(values: dict[str, Any]) -> None:
    source = manifest(data={"v": "${tenant.values}", "constant": ["x"]})
    facts = context(tenant={"values": values})
    before = copy.deepcopy((source, facts))
    compiled = template(source)

    first = render(compiled, facts, app_name="a", tenant_name="t")
    again = copy.deepcopy(first.steps[0].objects)
    first.steps[0].objects[0]["data"]["constant"].append("y")
    first.steps[0].objects[0]["data"]["v"]["new"] = 1

    assert (source, facts) == before
    assert render(compiled, facts, app_name="a", tenant_name="t").steps[0].objects == again
    assert json.loads(json.dumps(again)) == list(again)


@pytest.mark.case(61)
def test_no_error_contains_a_secret() -> None:
    canary = secrets.token_hex(16)
    facts = context(credentials={"clientSecret": canary})
    for source in ("${int(credentials.clientSecret)}", "${tenant.values[credentials.clientSecret]}", "x${credentials}"):
        assert canary not in error(manifest("Secret", stringData={"k": source}), facts=facts)


def test_missing_credentials_are_an_error_of_the_leaf() -> None:
    facts = context()
    del facts["credentials"]

    message = error(manifest("Secret", stringData={"k": "${credentials.clientId}"}), facts=facts)

    assert message == "steps[base].manifests[0].stringData.k: no such variable: credentials"


def test_a_context_that_is_not_json_is_an_error() -> None:
    facts = context(account={"id": "5f1", "name": "\ud800"})

    assert error(manifest(data={"k": "${account.id}"}), facts=facts).startswith("context: account contains something")


def test_the_name_alone_can_be_rendered_without_the_tenant() -> None:
    assert render_name(template(name="fixed"), {}) == "fixed"
    assert render_name(template(), {"account": {"id": "A b"}}).startswith("td-a-b-")


QUEUES = {"tenant": {"state": "Active", "suspended": False, "values": {"queues": ["calls", "chats"]}}}
QUEUE = manifest("ConfigMap", {"name": "${'queue-' + item}"}, data={"queue": "${item}", "account": "${account.id}"})


def test_the_manifests_of_a_step_are_filled_in_for_each_element() -> None:
    (step,) = rendered(QUEUE, for_each="tenant.values.queues", facts=context(**QUEUES)).steps
    assert [(each["metadata"]["name"], each["data"]) for each in step.objects] == [
        ("queue-calls", {"queue": "calls", "account": "5f1"}),
        ("queue-chats", {"queue": "chats", "account": "5f1"}),
    ]
    assert step.sources == ("steps[base].manifests[0]",) * 2


def test_an_element_may_be_a_map_and_goes_along_with_credentials_in_a_secret() -> None:
    secret = manifest("Secret", {"name": "${item.name}"}, stringData={"key": "${item.name + credentials.clientSecret}"})
    facts = context(tenant={"values": {"queues": [{"name": "calls"}]}})
    (step,) = rendered(secret, for_each="tenant.values.queues", facts=facts).steps
    assert [base64.b64decode(each["data"]["key"]) for each in step.objects] == [b"callshush"]


@pytest.mark.parametrize(
    ("for_each", "reason"),
    [
        ("tenant.values.queues[0]", "steps[base].forEach: must give a list"),
        ("tenant.values.absent", "steps[base].forEach: "),
        ("'" + "a," * 101 + "a'.split(',')", "steps[base].forEach: gives 102 elements, of which 100"),
        ("['calls', 'calls']", "is the same object as steps[base].manifests[0] (item 0)"),
        ("['calls', 'a/b']", "is not a valid name of an object"),
    ],
)
def test_a_list_of_elements_that_can_not_be_used_is_an_error(for_each: str, reason: str) -> None:
    assert reason in error(QUEUE, for_each=for_each, facts=context(**QUEUES))


def test_an_error_at_an_element_says_which() -> None:
    assert error(QUEUE, for_each="['calls', 1]", facts=context(**QUEUES)).endswith("(item 1)")


def test_a_tenant_does_not_get_more_objects_than_can_be_recorded() -> None:
    manifests = [manifest("ConfigMap", {"name": "${'" + f"q{number}-" + "' + string(item)}"}) for number in range(6)]
    many = "[" + ",".join(map(str, range(100))) + "]"
    assert (
        error(*manifests, for_each=many)
        == "steps[base]: more than 500 objects, which a tenant can have at most (item 83)"
    )


@pytest.mark.parametrize(("value", "objects"), [("subscription.type == 'PAID'", 1), ("trial.state == 'x'", None)])
def test_a_step_is_included_as_its_expression_says(value: str, objects: int | None) -> None:
    if objects is None:
        assert error(manifest(), include_when=value).startswith("steps[base].includeWhen: ")
        return
    (step,) = rendered(manifest(), include_when=value).steps
    assert (step.included, len(step.objects)) == (True, objects)


def test_a_step_that_is_not_included_has_no_objects_and_its_list_is_not_looked_at() -> None:
    (step,) = rendered(QUEUE, include_when="tenant.suspended", for_each="tenant.values.absent").steps
    assert (step.included, step.objects, step.sources) == (False, (), ())


def test_whether_a_step_is_included_must_be_said_by_true_or_false() -> None:
    assert error(manifest(), include_when="account.id") == "steps[base].includeWhen: must give true or false"
