from typing import Any

import pytest

from talkdesk_crds.names import API_VERSION, GROUP
from talkdesk_operator.templates import CompiledTemplate, StepSource, TemplateError


def config_map(**overrides: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "facts"}} | overrides


def secret(**overrides: Any) -> dict[str, Any]:
    return config_map(kind="Secret", **overrides)


def compiled(*manifests: Any, name: str = "${dnsLabel(account.id)}", ready_when: str | None = None) -> CompiledTemplate:
    return CompiledTemplate.compile(name, [StepSource("base", manifests, ready_when=ready_when)], "r1")


def problems(*manifests: Any, **overrides: Any) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        compiled(*manifests, **overrides)
    return [problem.message for problem in caught.value.problems]


def test_a_valid_template_is_compiled() -> None:
    template = compiled(
        config_map(data={"a": "${account.id}", "b": "${tenant.values.list.map(x, x + trial.state)}"}),
        secret(stringData={"c": "${credentials.clientId + app.id}"}, data={"d": "x"}),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "${tenant.name}", "labels": {"a": "b"}}},
        ready_when="object.status.availableReplicas >= 1",
    )

    assert template.revision == "r1"
    assert template.references == {"account", "tenant", "trial"}
    assert template.secret_references == {"credentials", "app"}
    assert [(manifest.group, manifest.version, manifest.kind) for manifest in template.steps[0].manifests] == [
        ("", "v1", "ConfigMap"),
        ("", "v1", "Secret"),
        ("apps", "v1", "Deployment"),
    ]


M = "steps[base].manifests[0]"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("text", f"{M}: a manifest must be a map"),
        (config_map(apiVersion=None), f"{M}.apiVersion: is missing or not a text"),
        (config_map(apiVersion="v${app.id}"), f"{M}.apiVersion: cannot contain ${{ }}"),
        (config_map(kind=""), f"{M}.kind: is missing or not a text"),
        (config_map(kind="${app.kind}"), f"{M}.kind: cannot contain ${{ }}"),
        (config_map(kind="List"), f"{M}.kind: a list of objects must be written as separate manifests"),
        (
            config_map(kind="ConfigMapList", items=[]),
            f"{M}.kind: a list of objects must be written as separate manifests",
        ),
        (config_map(metadata=None), f"{M}.metadata: is missing"),
        (config_map(metadata="${tenant.values}"), f"{M}.metadata: must be a map"),
        (config_map(metadata={}), f"{M}.metadata.name: is missing or not a text"),
        (config_map(metadata={"name": 1}), f"{M}.metadata.name: is missing or not a text"),
        (config_map(metadata={"name": "a", "labels": [1]}), f"{M}.metadata.labels: must be a map of strings"),
        (config_map(status={}), f"{M}.status: status belongs to the cluster and cannot be in a template"),
        (
            config_map(apiVersion=API_VERSION, kind="TalkdeskApp"),
            f"{M}.apiVersion: objects of {GROUP} cannot be in a template",
        ),
        (config_map(data={"key": "${1 +}"}), f"{M}.data.key: syntax error at column 4: mismatched input '<EOF>'"),
        (config_map(data={"key": "${nope(1)}"}), f"{M}.data.key: unknown function nope()"),
    ],
)
def test_a_bad_manifest_is_reported_with_its_path(manifest: object, expected: str) -> None:
    assert problems(manifest) == [expected]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("apiVersion", value) for value in ("../v1", "a/b/c", "/v1", "apps/", "v1/", "apps/../v1", "./v1", "%2e/v1")),
        *(("apiVersion", value) for value in ("a..b/v1", "-a/v1", "a-/v1", "Apps/v1", "apps/V1", "v1 ", "v1\n")),
        *(("apiVersion", value) for value in ("apps/v1#", f"{'a' * 64}/v1", "v" * 64, "..", ".", "1", "apps\\v1")),
        *(("kind", value) for value in ("../Secret", "Config Map", "ConfigMap/x", ".", "..", "%2e", "x" * 64, "1A")),
        *(("metadata.name", value) for value in ("../x", "..", ".", "a/b", "a%2fb", "a b", "x" * 254, "a\nb")),
        *(("metadata.namespace", value) for value in ("../x", "..", "kube_system", "A", "a.b", "x" * 64, "")),
    ],
)
def test_what_could_lead_to_another_path_of_the_api_server_is_refused(field: str, value: str) -> None:
    manifest = config_map(metadata={"name": "a"})
    *parents, last = field.split(".")
    place = manifest
    for parent in parents:
        place = place[parent]
    place[last] = value
    (problem,) = problems(manifest)
    assert problem.startswith(f"{M}.{field}: {value[:64]!r} is not a ")


@pytest.mark.parametrize("value", ["v1", "apps/v1", "networking.k8s.io/v1", "example.com/v1alpha1", "a.b-c.d/v1-beta"])
def test_versions_and_groups_as_they_are_in_the_world_are_taken(value: str) -> None:
    assert compiled(config_map(apiVersion=value)).steps[0].manifests[0].version == value.rpartition("/")[2]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("account.company", "no such member: account.company, did you mean companyName? (there are companyName, id,"),
        ("account['company']", "no such member: account.company, did you mean companyName?"),
        ("has(account.company)", "no such member: account.company, did you mean companyName?"),
        ("account.companyname", "no such member: account.companyname, did you mean companyName?"),
        ("trial.expiresAt", "no such member: trial.expiresAt"),
        ("installation.app_version", "no such member: installation.app_version, did you mean appVersion?"),
        ("tenant.value", "no such member: tenant.value, did you mean values?"),
        ("account.name.first", "no such member: account.name.first (account.name has none)"),
        ("acount.name", "no such variable: acount, did you mean account? (there are account, app,"),
        ("[1].map(x, account.company)", "no such member: account.company"),
    ],
)
def test_a_member_that_can_not_be_there_is_refused_with_the_nearest(expression: str, reason: str) -> None:
    (problem,) = problems(config_map(data={"key": f"${{{expression}}}"}))
    assert problem.startswith(f"{M}.data.key: {reason}")


@pytest.mark.parametrize(
    "expression",
    [
        "account.name",
        "tenant.values.a.b.c",
        "sso.scopes[0]",
        "account.name.startsWith('a')",
        "{'company': 1}.company",
    ],
)
def test_members_that_are_there_or_are_a_persons_are_taken(expression: str) -> None:
    assert compiled(config_map(data={"key": f"${{{expression}}}"})).references <= {"account", "tenant", "sso"}


@pytest.mark.parametrize("key", ["generateName", "uid", "resourceVersion", "ownerReferences", "managedFields"])
def test_metadata_that_belongs_to_the_server_is_refused(key: str) -> None:
    assert problems(config_map(metadata={"name": "a", key: "x"})) == [
        f"{M}.metadata.{key}: {key} cannot be in a template"
    ]


def test_an_unknown_variable_is_reported_with_the_known_ones() -> None:
    assert problems(config_map(data={"k": "${nobody.id}"})) == [
        f"{M}.data.k: no such variable: nobody (there are account, app, installation, sso, subscription, tenant, trial)"
    ]


@pytest.mark.parametrize(
    ("manifest", "leaf"),
    [
        (config_map(data={"k": "${credentials.clientSecret}"}), "data.k"),
        (config_map(data={"k": "${has(credentials.keyId) ? 'a' : 'b'}"}), "data.k"),
        (config_map(data={"k": "${[1].map(x, credentials.clientSecret)}"}), "data.k"),
        (config_map(data={"k": "${{'a': credentials}.a.clientId}"}), "data.k"),
        (secret(metadata={"name": "${credentials.keyId}"}), "metadata.name"),
        (secret(metadata={"name": "a", "annotations": {"k": "${credentials.keyId}"}}), "metadata.annotations.k"),
        (secret(apiVersion="example.com/v1", data={"k": "${credentials.keyId}"}), "data.k"),
    ],
)
def test_credentials_are_refused_outside_of_a_secrets_data(manifest: object, leaf: str) -> None:
    assert problems(manifest) == [f"{M}.{leaf}: credentials can only be used in data and stringData of a v1 Secret"]


def test_the_word_credentials_is_allowed_if_it_is_not_a_variable() -> None:
    data = {
        "a": "credentials",
        "b": "${'credentials'}",
        "c": "${tenant.values.credentials}",
        "d": "${{'credentials': 1}}",
    }

    assert compiled(config_map(data=data)).secret_references == frozenset()


def test_a_comprehension_cannot_hide_a_variable() -> None:
    assert problems(config_map(data={"k": "${[1].map(credentials, 1).size() + size(credentials.clientId)}"})) == [
        f"{M}.data.k: credentials cannot be the variable of a comprehension"
    ]


@pytest.mark.parametrize("name", ["${tenant.name}", "${credentials.keyId}", "${object.x}"])
def test_the_name_can_use_neither_the_tenant_nor_credentials(name: str) -> None:
    (problem,) = problems(config_map(), name=name)

    assert problem.startswith("name: ")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("object.", "syntax error"),
        ("credentials.keyId == ''", "credentials can only be used"),
        ("tenant.suspended", "no such variable: tenant (there are object)"),
        ("[1].all(object, true)", "object cannot be the variable"),
    ],
)
def test_ready_when_sees_only_the_object(source: str, expected: str) -> None:
    (problem,) = problems(config_map(), ready_when=source)

    assert problem.startswith(f"steps[base].readyWhen: {expected}")


def test_step_names_are_unique() -> None:
    steps = [StepSource("a", []), StepSource("b", []), StepSource("a", [])]

    with pytest.raises(TemplateError, match=r"^steps\[a\]: two steps have this name$"):
        CompiledTemplate.compile("x", steps, "r1")


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        {"kind": "Pod"}, config_map(data={"a": "${", "b": "${credentials.keyId}"}), name="${", ready_when="("
    )

    assert [line.partition(":")[0] for line in found] == [
        "name",
        "steps[base].manifests[0].apiVersion",
        "steps[base].manifests[0].metadata",
        "steps[base].manifests[1].data.a",
        "steps[base].manifests[1].data.b",
        "steps[base].readyWhen",
    ]


@pytest.mark.parametrize(
    ("manifests", "words"),
    [
        ([config_map(metadata={"name": f"a{number}"}) for number in range(501)], "501 objects"),
        ([config_map(data={f"k{number}": "${account.id}${account.name}" for number in range(5001)})], "expressions"),
    ],
    ids=["objects", "expressions"],
)
def test_a_template_of_more_than_any_tenant_can_have_is_refused(manifests: list[Any], words: str) -> None:
    (problem,) = problems(*manifests)
    assert words in problem


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"include_when": "acount.id == 'x'"},
            "steps[base].includeWhen: no such variable: acount, did you mean account?",
        ),
        ({"include_when": "1 +"}, "steps[base].includeWhen: syntax error"),
        ({"for_each": "tenant.valeus.queues"}, "steps[base].forEach: no such member: tenant.valeus"),
        ({"for_each": "credentials.clientId"}, "steps[base].forEach: credentials can only be used in data"),
        ({"for_each": "[item]"}, "steps[base].forEach: no such variable: item"),
        ({"include_when": "item"}, "steps[base].includeWhen: no such variable: item"),
        ({}, "steps[base].manifests[0].metadata.name: no such variable: item"),
    ],
)
def test_what_a_step_depends_on_is_checked(settings: dict[str, Any], problem: str) -> None:
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${item}", "namespace": "x"}}
    with pytest.raises(TemplateError) as caught:
        CompiledTemplate.compile("t", [StepSource("base", [source], **settings)], "1")
    assert any(each.message.startswith(problem) for each in caught.value.problems), caught.value


def test_the_element_of_a_list_can_not_be_hidden_by_a_comprehension() -> None:
    source = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "${item}", "namespace": "x"},
        "data": {"a": "${[1].exists(item, item == 1) ? 'y' : 'n'}"},
    }
    with pytest.raises(TemplateError, match="item cannot be the variable of a comprehension"):
        CompiledTemplate.compile("t", [StepSource("base", [source], for_each="['a']")], "1")
    del source["metadata"]
    free = {**source, "metadata": {"name": "a", "namespace": "x"}}
    assert CompiledTemplate.compile("t", [StepSource("base", [free])], "1").steps[0].manifests


def test_a_template_with_a_list_is_rendered_beside_the_event_loop() -> None:
    source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${item}", "namespace": "x"}}
    assert CompiledTemplate.compile("t", [StepSource("base", [source], for_each="['a']")], "1").may_be_long
