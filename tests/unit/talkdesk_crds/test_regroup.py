"""Whoever owns another domain changes one constant: kinds and manifests follow."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from talkdesk_crds import KINDS, regroup
from talkdesk_crds.names import GROUP
from talkdesk_crds.regroup import group_in, regrouped

ROOT = Path(__file__).parents[3]
OTHER = "another-owner.example"
APP = "apiVersion: old.example.com/v1\nkind: TalkdeskApp\n"


def test_the_manifests_in_the_repository_have_the_group_of_the_constant() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "manifests").rglob("*.yaml"))]
    assert group_in(texts) == GROUP, "run `make manifests`"


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("apiGroups: [old.example.com]", "apiGroups: [new.org]"),
        ("old.example.com/v1", "new.org/v1"),
        ("name: talkdeskapps.old.example.com", "name: talkdeskapps.new.org"),
        ("'old.example.com/app' and \"old.example.com\".", "'new.org/app' and \"new.org\"."),
        ("very.old.example.com", "very.old.example.com"),
        ("bold.example.com old.example.com.au old-example-com", "bold.example.com old.example.com.au old-example-com"),
    ],
)
def test_a_group_is_replaced_where_it_stands_as_a_whole(text: str, new: str) -> None:
    assert regrouped(text, "old.example.com", "new.org") == new


@pytest.mark.parametrize("texts", [[], ["kind: TalkdeskApp"], [APP, APP.replace("old", "older")]])
def test_manifests_with_no_group_or_with_several_are_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="one API group"):
        group_in(texts)


def test_only_files_with_another_group_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.yaml").write_text(APP)
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "other.yaml").chmod(0o400)
    monkeypatch.setattr(sys, "argv", ["regroup", str(tmp_path)])
    runpy.run_path(str(regroup.__file__), run_name="__main__")
    assert (tmp_path / "app.yaml").read_text() == APP.replace("old.example.com", GROUP)
    assert (tmp_path / "other.yaml").read_text() == "a: 1\n"


def test_another_group_in_the_constant_changes_all_kinds_and_manifests(tmp_path: Path) -> None:
    for folder in ("crds", "manifests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    names = tmp_path / "crds" / "talkdesk_crds" / "names.py"
    text = names.read_text()
    assert text.count(f'"{GROUP}"') == 1
    names.write_text(text.replace(f'"{GROUP}"', f'"{OTHER}"'))
    for module, folder in (("crdgen", "crds/yaml"), ("regroup", "manifests")):
        command = [sys.executable, "-m", f"talkdesk_crds.{module}", folder]
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "crds")}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    made = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert [path for path in made if GROUP in path.read_text()] == []
    chart = tmp_path / "manifests" / "chart"  # made from the others, and no plain YAML
    assert consistent([path for path in made if path.suffix == ".yaml" and chart not in path.parents])


def consistent(files: list[Path]) -> bool:
    """Check that CRDs, objects, rights and policies speak of the one other group."""
    documents = [document for path in files for document in yaml.safe_load_all(path.read_text()) if document]
    crds = [each for each in documents if each["kind"] == "CustomResourceDefinition"]
    assert {each["spec"]["group"] for each in crds} == {OTHER}
    assert {each["metadata"]["name"] for each in crds} == {f"{kind.INFO.plural}.{OTHER}" for kind in KINDS}
    ours = [each for each in documents if each["kind"].startswith("Talkdesk")]
    assert {each["apiVersion"].partition("/")[0] for each in ours} == {OTHER}
    for rule in rules(documents):
        assert not any(name.startswith("talkdesk") for name in rule.get("resources", ())) or rule["apiGroups"] == [
            OTHER
        ]
    groups = re.findall(r"authorizer\.group\('([^']+)'\)", "".join(path.read_text() for path in files))
    return set(groups) == {OTHER}


def rules(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules of roles and of policies."""
    of_roles = [rule for each in documents for rule in each.get("rules", ())]
    policies = [each["spec"] for each in documents if each["kind"] == "ValidatingAdmissionPolicy"]
    return of_roles + [rule for spec in policies for rule in spec["matchConstraints"]["resourceRules"]]
