"""`talkdesk-operator render`, `test` and `explain`, as a person calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders.manifest_files import MANIFESTS
from builders.objects import installation_object
from builders.operator_in_memory import NAMESPACE, config_map, sentiment
from talkdesk_operator.__main__ import main
from talkdesk_operator.cli.samples import SAMPLES

EXAMPLE = MANIFESTS / "examples" / "sentiment" / "app.yaml"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The file of an app with a namespace, a map of facts and a Secret of credentials."""
    return written(tmp_path / "app.yaml", sentiment())


def written(path: Path, *objects: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    return path


def with_data(path: Path, **data: str) -> Path:
    step = {"name": "base", "manifests": [NAMESPACE, config_map("facts", data=data)]}
    return written(path, sentiment(step))


def rendered(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Run `render` and return the objects that it prints."""
    assert main(["render", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return list(yaml.safe_load_all(said.out))


def refused(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> str:
    """Run a command that is refused with this status, and return what it says."""
    assert main(arguments) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("talkdesk-operator: ")
    assert "Traceback" not in said.err
    return said.err


def test_an_object_outside_the_tenant_is_refused_as_the_operator_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = config_map("facts") | {"metadata": {"name": "facts", "namespace": "default"}}
    for scope, status in (("Tenant", 1), ("Any", 0)):
        raw = sentiment({"name": "base", "manifests": [NAMESPACE, outside]})
        raw["spec"]["tenant"]["objectScope"] = scope
        file = written(tmp_path / "app.yaml", raw)
        if status:
            assert "ConfigMap default/facts" in refused(capsys, status, "render", "-f", str(file))
        else:
            assert len(rendered(capsys, "-f", str(file))) == 2


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_example_works_for_each_sample(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    objects = rendered(capsys, "-f", str(EXAMPLE), f"--sample={sample}")

    assert [each["kind"] for each in objects][:2] == ["Namespace", "RoleBinding"]
    assert len({(each["kind"], each["metadata"]["name"]) for each in objects}) == len(objects)


def test_samples_differ_in_what_a_template_reacts_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_data(
        tmp_path / "app.yaml",
        state="${tenant.state}",
        plan="${subscription.type != null ? subscription.type : '-'}",
        trial="${trial.state != null ? trial.state : '-'}",
        company="${string(account.companyName != null ? size(account.companyName) : 0)}",
    )
    found = {sample: rendered(capsys, "-f", str(path), "--sample", sample)[1]["data"] for sample in SAMPLES}

    told = {sample: (each["state"], each["plan"], each["trial"]) for sample, each in found.items()}
    assert told == {
        "paid": ("Active", "paid", "-"),
        "trial": ("Active", "trial", "Started"),
        "suspended": ("Suspended", "trial", "Ended"),
        "unknown": ("Active", "-", "-"),
        "nasty": ("Active", "paid", "-"),
    }
    assert found["unknown"]["company"] == "0"
    assert int(found["nasty"]["company"]) >= 300


def test_whatever_a_name_holds_stays_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_data(tmp_path / "app.yaml", name="${account.companyName}", other="x")

    (_, facts) = rendered(capsys, "-f", str(path), "--sample=nasty")

    assert set(facts["data"]) == {"name", "other"}
    assert "${account.id}" in facts["data"]["name"]


def test_a_real_customer_is_rendered_from_its_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_data(tmp_path / "app.yaml", id="${account.id}", name="${installation.name}")
    customer = installation_object("sentiment-i1", accountId="a77")
    customer["metadata"]["managedFields"] = [{"manager": "webhook"}]

    file = written(tmp_path / "tdi.yaml", customer)
    (_, facts) = rendered(capsys, "-f", str(path), f"--installation={file}")

    assert facts["data"] == {"id": "a77", "name": "sentiment-i1"}


def test_values_are_those_of_the_app_then_of_the_file_then_of_the_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sentiment({"name": "base", "manifests": [config_map("v", data={"all": "${keys(tenant.values).join(',')}"})]})
    raw["spec"]["tenant"]["values"] = {"a": 1}
    app, values = written(tmp_path / "app.yaml", raw), tmp_path / "values.yaml"
    values.write_text("items: [2]\n", encoding="utf-8")

    (found,) = rendered(capsys, "-f", str(app), f"--values={values}", "--set", "c=3", "--set", "d=some text")

    assert found["data"] == {"all": "a,c,d,items"}


def test_secrets_are_masked_unless_they_are_asked_for(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masked, shown = (rendered(capsys, "-f", str(app), *flags)[-1] for flags in ((), ("--show-secrets",)))

    assert masked["data"] == {"key": "*** (13 bytes)"}
    assert shown["data"] == {"key": "c2FtcGxlLWtleS1pZA=="}


def test_a_template_that_can_not_work_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_data(tmp_path / "app.yaml", a="${account.compnayName}", b="${credentials.keyId}", c="${account.id")

    said = refused(capsys, 1, "render", "-f", str(path))

    assert "account.compnayName, did you mean companyName?" in said
    assert "credentials can only be used" in said
    assert "no closing brace" in said


def test_a_fact_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_data(tmp_path / "app.yaml", a="${account.companyName + '!'}")

    said = refused(capsys, 1, "render", "-f", str(path), "--sample=unknown")

    assert "steps[base].manifests[1].data.a" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [\n", "while parsing"),
        ("a: 1\na: 2\n", "the key 'a' is there twice"),
        ("- 1\n", "holds something that is no map"),
        ("", "has no TalkdeskApp"),
        ("kind: Namespace\n", "has no TalkdeskApp"),
        ("kind: TalkdeskApp\nspec: 3\n", "spec: Input should be"),
        ("items: [1, {kind: TalkdeskApp, metadata: 1}]\n", "(without a name)"),
        ("kind: TalkdeskApp\nmetadata: {name: a}\n---\nkind: TalkdeskApp\nmetadata: {name: b}\n", "(a, b); --app NAME"),
        ("\x00", "special characters are not allowed"),
        ("!!python/object:os.system {}", "could not determine a constructor"),
        ("&a [*a]\n", "holds something that is no map"),
        ("[" * 5000, ""),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_words(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.yaml"
    path.write_text(text, encoding="utf-8")

    assert words in refused(capsys, 2, "render", "-f", str(path))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in refused(capsys, 2, "render", "-f", str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    assert "is not UTF-8" in refused(capsys, 2, "render", "-f", str(tmp_path / "binary"))


def test_one_of_several_apps_is_chosen_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = sentiment()
    other["metadata"] = other["metadata"] | {"name": "other"}
    path = written(tmp_path / "app.yaml", sentiment(), other)

    objects = rendered(capsys, "-f", str(path), "--app=other")
    assert objects[0]["metadata"]["labels"]["appconnect.talkdesk.dev/app"] == "other"
    assert "has no TalkdeskApp with the name third" in refused(capsys, 2, "render", "-f", str(path), "--app=third")


@pytest.mark.parametrize("pair", ["a", "=1", ""])
def test_a_value_without_a_name_is_refused(pair: str, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "write NAME=VALUE" in refused(capsys, 2, "render", "-f", str(app), f"--set={pair}")


@pytest.mark.parametrize("word", ["rendr", "run", ""])
def test_a_word_that_is_no_command_is_refused_with_those_that_are(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([word])
    assert caught.value.code == 2
    assert "'render', 'diff', 'test', 'explain'" in capsys.readouterr().err


def case(folder: Path, **members: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "case.yaml").write_text(json.dumps(members), encoding="utf-8")
    return folder


def test_a_case_passes_until_what_is_rendered_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = with_data(tmp_path / "app.yaml", plan="${subscription.name}")
    paid = case(tmp_path / "cases" / "paid", app="../../app.yaml", sample="paid", values={"a": 1})
    with_data(tmp_path / "broken.yaml", plan="${subscription.name + '!'}")
    case(tmp_path / "cases" / "broken", app="../../broken.yaml", sample="unknown")

    assert main(["test", str(tmp_path / "cases")]) == 1  # nothing is expected yet
    assert main(["test", str(tmp_path / "cases"), "--update"]) == 0
    assert "plan: Standard" in (paid / "expected.yaml").read_text(encoding="utf-8")
    assert (tmp_path / "cases/broken/expected.yaml").read_text(encoding="utf-8").startswith("# error: steps[base]")
    capsys.readouterr()
    assert main(["test", str(tmp_path / "cases")]) == 0
    assert capsys.readouterr().out == "2 of 2 cases passed\n"

    with_data(app, plan="${subscription.name + ' plan'}")
    assert main(["test", str(tmp_path / "cases")]) == 1
    said = capsys.readouterr().out
    assert "-  plan: Standard\n+  plan: Standard plan\n" in said
    assert said.endswith("1 of 2 cases passed\n")


def test_a_case_may_be_a_real_customer(tmp_path: Path) -> None:
    with_data(tmp_path / "app.yaml", id="${account.id}")
    folder = case(tmp_path / "cases" / "one", app="../../app.yaml", installation="tdi.yaml")
    written(folder / "tdi.yaml", installation_object(accountId="a77"))

    assert main(["test", str(tmp_path), "--update"]) == 0
    assert "id: a77" in (folder / "expected.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"sample": "paid"}, "app: must name the file"),
        ({"app": "a"}, "either sample or installation"),
        ({"app": "a", "sample": "paid", "installation": "b"}, "either sample or installation"),
        ({"app": "a", "sample": "none"}, "no such sample: none (there are paid, trial, "),
        ({"app": "a", "sample": "paid", "value": {}}, "no such member: value (there are app, "),
        ({"app": 1, "sample": "paid"}, "app: is not of the right type"),
        ({"app": "a", "sample": "paid", "values": [1]}, "values: is not of the right type"),
        ({"app": "a", "sample": "paid"}, "No such file"),
    ],
)
def test_a_case_that_is_no_good_is_refused_in_words(
    members: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case(tmp_path / "one", **members)

    assert words in refused(capsys, 2, "test", str(tmp_path))


def test_a_folder_without_cases_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has no folder with a case.yaml" in refused(capsys, 2, "test", str(tmp_path))


def test_explain_prints_all_of_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "template"]) == 0
    said = capsys.readouterr().out
    assert "account.companyName" in said
    assert "dnsLabel(" in said


def test_values_that_do_not_fit_the_schema_are_refused_as_the_operator_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sentiment({"name": "base", "manifests": [NAMESPACE]})
    raw["spec"]["tenant"]["valuesSchema"] = {"properties": {"size": {"type": "integer"}}}
    file = str(written(tmp_path / "app.yaml", raw))
    assert len(rendered(capsys, "-f", file, "--set=size=3")) == 1
    said = refused(capsys, 1, "render", "-f", file, "--set=size=big")
    assert "tenant.values.size: must be integer, not string" in said
